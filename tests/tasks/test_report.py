"""The report: its rule on curves written by hand, and the stage on a task that costs milliseconds."""

import math
from pathlib import Path

import pandas as pd
import pytest
import torch

from tasks.report.runs import blank, measured
from tasks.report.stage import ReportConfig, grid, report
from tasks.report.verdict import judge, new_bests
from tasks.work import cli

EPOCHS = 10


def curve(lr, seed, last, *, first=None, epochs=EPOCHS, start=0.1):
    """A run whose metric goes from ``start`` to ``last``, and whose validation loss always falls."""
    first = start + 0.3 * (last - start) if first is None else first
    rest = [first + (last - first) * i / (epochs - 1) for i in range(epochs)]
    return {
        "task": "made",
        "optimizer": "sgd",
        "lr": lr,
        "seed": seed,
        "seconds": [0.1] * epochs,
        "val_metric": [start, *rest],
        "val_loss": [1.0 / (1 + i) for i in range(epochs + 1)],
    }


def made(finals, **changes):
    """Two seeds per LR, 0.01 apart."""
    return [curve(lr, s, last + 0.01 * s, **changes) for lr, last in finals.items() for s in (0, 1)]


def judged(runs, baseline=0.3, **changes):
    options = {"metric": "accuracy", "higher_is_better": True, "baseline": baseline, "epochs": EPOCHS}
    return judge(runs, **(options | changes))


ALIVE = {1e-3: 0.2, 1e-2: 0.8, 1e-1: 0.6, 1.0: 0.1}


def test_a_living_task():
    verdict = judged(made(ALIVE))
    assert all(verdict.checks().values())
    assert (verdict.best_lr, verdict.fails_from) == (1e-2, 1.0)
    assert verdict.best == pytest.approx(0.805)
    assert verdict.first_epoch == pytest.approx(0.3)
    assert (verdict.improving, verdict.last_improvement) == (10, 10)


@pytest.mark.parametrize(
    ("runs", "changes", "missed"),
    [
        (made(ALIVE), {"baseline": 0.75}, "above baseline"),
        (made(ALIVE | {1e-2: 0.98}), {}, "below ceiling"),
        (made(ALIVE, first=0.7), {}, "not at once"),
        (made({1e-3: 0.78, 1e-2: 0.8, 1e-1: 0.79}), {}, "LR matters"),
        (made({1e-3: 0.2, 1e-2: 0.8, 1e-1: 0.6}), {}, "too high fails"),
    ],
)
def test_a_dead_task_says_what_it_misses(runs, changes, missed):
    assert missed in [name for name, ok in judged(runs, **changes).checks().items() if not ok]


def test_a_run_that_ended_early_has_diverged():
    runs = made({1e-3: 0.2, 1e-2: 0.8}) + made({1.0: 0.7}, epochs=3)
    verdict = judged(runs)
    assert math.isnan(verdict.finals[-1]) and verdict.fails_from == 1.0
    assert verdict.checks()["LR matters"]


def test_a_metric_that_falls():
    # From 6 bits to 3; ten times the epochs would reach 2.5.
    runs = made({1e-3: 5.8, 1e-2: 3.0, 1.0: 9.0}, start=6.0)
    verdict = judged(runs, baseline=4.5, higher_is_better=False, ceiling=2.5)
    assert verdict.best_lr == 1e-2 and all(verdict.checks().values())
    near = judged(runs, baseline=4.5, higher_is_better=False, ceiling=2.95)
    assert not near.checks()["below ceiling"]
    assert not judged(runs, baseline=3.1, higher_is_better=False, ceiling=2.5).checks()["above baseline"]


def test_new_bests_are_counted_against_the_untrained_loss():
    assert new_bests([1.0, 1.2, 0.9, 0.95, 0.8, math.nan]) == [2, 4]


def config(tiny: str, out: Path, **changes) -> ReportConfig:
    keys = {
        "tasks": tiny,
        "optimizers": ["adam", "sgd"],
        "lrs": 2,
        "seeds": 2,
        "seed": 0,
        "epochs": 2,
        "epoch_steps": None,
        "ceiling": 2,
        "scale": "mini",
        "data": "embedded",
        "data_dir": None,
        "settings": None,
        "samples": None,
        "workers": "1",
        "out": str(out),
    }
    return ReportConfig(**(keys | changes))


def test_the_stage_writes_its_table_and_figure_and_resumes(tiny, tmp_path):
    samples = tmp_path / "samples"
    samples.mkdir()
    labels = pd.DataFrame(
        {"task": "tiny_task", "optimizer": "sgd", "label": ["raise", "keep", "raise", "lower"]}
    )
    labels.to_parquet(samples / "part.parquet")
    out = tmp_path / "out"
    assert report(config(tiny, out, samples=str(samples), shard="1/2")) == 0
    assert not (out / "report.md").exists()  # half of the runs are another shard's
    assert report(config(tiny, out, samples=str(samples))) == 0
    table = pd.read_parquet(out / "report.parquet")
    assert list(table["optimizer"]) == ["adam", "sgd"] and len(table["finals"][0]) == 2
    text = (out / "report.md").read_text()
    for row in ("tiny_task | sgd", "zoo | sgd", "zoo | all"):
        assert f"| {row} | 4 | 50% | 25% | 25% |" in text
    assert (out / "report.png").stat().st_size > 1000

    parts = {p: p.stat().st_mtime_ns for p in (out / "parts").iterdir()}
    assert len(parts) == 4 + 2 * 2 * 2
    lost, *_ = parts
    lost.unlink()
    report(config(tiny, out))
    assert {p: p.stat().st_mtime_ns for p in (out / "parts").iterdir() if p != lost} == {
        p: t for p, t in parts.items() if p != lost
    }
    assert lost.exists()
    again = pd.read_parquet(out / "report.parquet")
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), table.drop(columns="seconds"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tasks=svhn_vg"], "no task 'svhn_vg'; did you mean svhn_vgg"),
        (["optimizers=[adan]"], "no optimizer 'adan'; did you mean adam"),
        (["lrs=1"], "got lrs=1, need an integer >= 2"),
        (["workers=none"], "got workers=none, need auto or an integer >= 1"),
        (["samples=nowhere"], "no Parquet file below 'nowhere'"),
        (["epoch=3"], "unknown key 'epoch'; did you mean epochs"),
    ],
)
def test_bad_input_ends_with_one_line_and_code_2(arguments, message, capsys):
    assert cli.main("tasks.report", ReportConfig, report, arguments) == 2
    printed = capsys.readouterr().err
    assert message in printed and len(printed.splitlines()) == 1


def test_help_explains_every_key(capsys):
    assert cli.main("tasks.report", ReportConfig, report, ["--help"]) == 0
    assert "each is tried over the task's own LR range" in capsys.readouterr().out


def test_epochs_of_so_many_steps_are_other_runs(tiny, tmp_path):
    whole, short = config(tiny, tmp_path), config(tiny, tmp_path, epoch_steps=1)
    runs = [grid(c, tiny)[-1] for c in (whole, short)]
    assert "epoch_steps" not in repr(runs[1])  # which names the parts of before
    assert runs[0].path("out") != runs[1].path("out")
    seen = [measured(asked) for asked in runs]
    assert seen[0]["train_loss"][0] != seen[1]["train_loss"][0]
    assert len(seen[1]["train_loss"]) == 2


def test_inputs_given_by_name_are_blanked_too_but_for_targets_and_masks():
    x = torch.ones(2)
    inputs, named = blank(torch.nn.Identity(), (x, 3), {"ids": x, "labels": x, "attention_mask": x, "n": 1})
    assert inputs[0].sum() == 0 and inputs[1] == 3
    assert {k: float(torch.as_tensor(v).sum()) for k, v in named.items()} == {
        "ids": 0, "labels": 2, "attention_mask": 2, "n": 1,
    }  # fmt: skip
