"""``python -m data_gen.label``: samples from trials, with what was decided and why."""

import math
import random

import pyarrow as pa
import pytest

from data_gen import label, reading, schema, store
from data_gen.label import LabelConfig
from data_gen.samples import SAMPLE, samples_of
from tasks.work import cli
from tests import reference


def row(cycle, *, val_loss, branches=(0.3, 0.2, 0.1), chosen="lower", run_id="r", task="a"):
    names = ("raise", "keep", "lower")
    return {
        "run_id": run_id,
        "task": task,
        "scale": "mini",
        "data": "embedded",
        "optimizer": "adam",
        "seed": 0,
        "lr0": 0.1,
        "period": 2,
        "cycle": cycle,
        "lr": 0.1,
        "train_loss": [1.0, 0.9],
        "val_loss": [1.0, val_loss],
        "val_metric": [0.5, 0.5],
        **{f"{n}_val_loss": [9.0, b] if b is not None else [] for n, b in zip(names, branches, strict=True)},
        "chosen": chosen,
        "seconds": 0.0,
    }


def write(folder, rows, name="x"):
    path = f"{folder}/trials/task={rows[0]['task']}/part-{name}.parquet"
    store.write(path, pa.Table.from_pylist(rows, schema=schema.TRIAL))


def run(folder, *overrides):
    arguments = [f"trials={folder}/trials", f"out={folder}/samples", *overrides]
    assert cli.main("data_gen.label", LabelConfig, label.label, arguments) == 0
    return [s for _, table in store.read_all(f"{folder}/samples", SAMPLE) for s in table.to_pylist()]


def test_labels_reasons_and_losses(tmp_path, capsys):
    rows = [
        row(0, val_loss=1.0, branches=(0.3, 0.2, 0.1), chosen="lower"),
        row(1, val_loss=0.15, branches=(0.1, 0.2, 0.3), chosen="keep"),  # 0.15 < 0.2: confirms cycle 0
        row(2, val_loss=0.05, branches=(0.1, 0.2, math.nan), chosen=None),  # 0.05 < 0.1: noise in cycle 1
    ]
    write(tmp_path, rows)
    samples = run(tmp_path)
    assert [s["raw"] for s in samples] == ["lower", "raise", "raise"]
    assert [s["label"] for s in samples] == ["lower", "keep", "raise"]
    assert [s["reason"] for s in samples] == ["confirmed", "noise", "last"]
    assert samples[0]["repeated_loss"] == pytest.approx(0.15)
    assert samples[2]["repeated_loss"] is None
    assert math.isnan(samples[2]["lower_loss"])
    printed = capsys.readouterr().out.splitlines()
    assert max(map(len, printed)) <= 80
    assert printed[-1].split() == ["all", "2", "0", "1", "1", "1", "1", "67%"]


def test_without_correction_the_raw_labels_stand(tmp_path):
    write(tmp_path, [row(0, val_loss=1.0), row(1, val_loss=0.35, chosen=None)])
    samples = run(tmp_path, "correction=none")
    assert [(s["label"], s["reason"]) for s in samples] == [("lower", "not corrected")] * 2
    assert run(tmp_path)[0]["label"] == "keep"  # and the stage can be repeated the other way


def test_a_diverged_trunk_is_no_sample_but_corrects_the_one_before(tmp_path):
    rows = [row(0, val_loss=1.0), row(1, val_loss=math.nan, branches=(None, None, None), chosen=None)]
    write(tmp_path, rows)
    samples = run(tmp_path)
    assert len(samples) == 1
    assert (samples[0]["raw"], samples[0]["label"], samples[0]["reason"]) == ("lower", "keep", "noise")


def test_several_runs_in_one_part_and_several_tasks(tmp_path):
    runs = [row(c, val_loss=0.1, run_id=r, chosen="lower" if c == 0 else None) for r in "ab" for c in (1, 0)]
    write(tmp_path, runs)
    write(tmp_path, [row(0, val_loss=0.1, task="b", chosen=None)])
    samples = run(tmp_path)
    assert sorted((s["task"], s["run_id"], s["cycle"]) for s in samples) == [
        ("a", "a", 0),
        ("a", "a", 1),
        ("a", "b", 0),
        ("a", "b", 1),
        ("b", "r", 0),
    ]


def test_samples_of_a_task_that_is_gone_go_too(tmp_path):
    write(tmp_path, [row(0, val_loss=0.1, chosen=None)])
    write(tmp_path, [row(0, val_loss=0.1, task="b", chosen=None)])
    run(tmp_path)
    store.delete(f"{tmp_path}/trials/task=b/part-x.parquet")
    assert {s["task"] for s in run(tmp_path)} == {"a"}


def random_run(rng, run_id):
    """Rows with ties and divergences; as in the generator, a diverged branch is never chosen."""
    values = (0.1, 0.2, 0.3, math.nan, math.inf)
    names = ("raise", "keep", "lower")
    for cycle in range(5):
        branches = rng.choices(values, k=3)
        made = row(cycle, val_loss=rng.choice(values), branches=branches, run_id=run_id)
        finite = [name for name, loss in zip(names, branches, strict=True) if math.isfinite(loss)]
        made["chosen"] = rng.choice(finite) if finite and cycle < 4 else None
        made["train_loss"] = [1.0, math.nan if rng.random() < 0.1 else 2.0]
        yield made
        if made["chosen"] is None:
            return


@pytest.mark.parametrize("correction", [True, False])
def test_samples_equal_the_naive_twin(correction):
    rng = random.Random(0)
    runs = [list(random_run(rng, f"{i:03}")) for i in range(300)]
    rows = [row for run in runs for row in run]
    table = pa.Table.from_pylist(rng.sample(rows, len(rows)), schema=schema.TRIAL)
    expected = [s for run in runs for s in reference.samples(run, correction)]
    found = samples_of(table, correction=correction)
    assert found.schema.equals(SAMPLE)
    assert len({s["reason"] for s in expected}) == (3 if correction else 1)
    # text, as NaN differs from itself
    assert str(found.to_pylist()) == str(pa.Table.from_pylist(expected, schema=SAMPLE).to_pylist())


def test_a_run_that_is_there_twice_is_taken_once(tmp_path, monkeypatch):
    """A part beside the pack that holds it; the repetition of a trial is its next cycle, never itself."""
    trial = [row(c, val_loss=0.1 + c, chosen="raise" if c < 2 else None, run_id="r0") for c in range(3)]
    write(tmp_path, trial, "r0")
    once = run(tmp_path)
    write(tmp_path, [*trial, row(0, val_loss=0.3, chosen=None, run_id="r1")], "r9")
    assert str([s for s in run(tmp_path) if s["run_id"] == "r0"]) == str(once)
    monkeypatch.setattr(reading, "BATCH", 1)  # in another batch of the label stage
    assert str([s for s in run(tmp_path) if s["run_id"] == "r0"]) == str(once)
    whole, twice = (pa.Table.from_pylist(trial * n, schema=schema.TRIAL) for n in (1, 2))
    assert str(samples_of(twice).to_pylist()) == str(samples_of(whole).to_pylist())


def test_only_the_next_cycle_repeats_a_branch():
    first, third = row(0, val_loss=0.1, chosen="raise"), row(2, val_loss=9.0, chosen=None)
    found = samples_of(pa.Table.from_pylist([first, third], schema=schema.TRIAL)).to_pylist()
    assert [s["reason"] for s in found] == ["last", "last"]


def test_many_parts_are_several_files_and_stale_ones_go(tmp_path, monkeypatch):
    for i in range(5):
        write(tmp_path, [row(0, val_loss=0.1, chosen=None, run_id=f"r{i}")], f"r{i}")
    whole = run(tmp_path)
    monkeypatch.setattr(label, "PARTS", 2)
    assert run(tmp_path) == whole
    names = sorted(p.name for p in tmp_path.glob("samples/task=a/*"))
    assert names == ["samples-00000.parquet", "samples-00001.parquet", "samples-00002.parquet"]
    for i in range(3):
        store.delete(f"{tmp_path}/trials/task=a/part-r{i}.parquet")
    assert [s["run_id"] for s in run(tmp_path)] == ["r3", "r4"]


def test_missing_empty_and_damaged_input(tmp_path, capsys):
    def error(*overrides):
        arguments = [f"trials={tmp_path}/trials", f"out={tmp_path}/samples", *overrides]
        assert cli.main("data_gen.label", LabelConfig, label.label, arguments) == 2
        return capsys.readouterr().err

    assert "no directory" in error()
    (tmp_path / "trials").mkdir()
    assert "no trials below" in error()
    assert "rerun or none" in error("correction=maybe")
    damaged = tmp_path / "trials" / "task=a" / "part-bad.parquet"
    damaged.parent.mkdir()
    damaged.write_bytes(b"PAR1 but not really")
    assert "part-bad.parquet" in error()
    assert not list(tmp_path.glob("samples/**/*.parquet"))  # nothing half-written
    damaged.unlink()
    write(tmp_path, [row(0, val_loss=math.nan, branches=(None, None, None), chosen=None)])
    assert "finite" in error()
