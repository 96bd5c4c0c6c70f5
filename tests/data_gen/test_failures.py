"""What really happens to a set of trials when processes are killed, disks fill up and files rot."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from data_gen import generate, schema, status, store
from data_gen.generate import GenerateConfig
from data_gen.samples import samples_of
from data_gen.status import StatusConfig
from tasks.work import cli
from tests.data_gen.test_generate import ROOT, SMALL, config, contents, run_units

MANY = [*SMALL, "runs=45", "workers=2"]
FEW = [*SMALL, "runs=6", "workers=2"]


def play(scene: str, out: Path, *overrides: str) -> dict:
    """What a scene of nursery.py reports."""
    command = [sys.executable, "-W", "error", "-m", "tests.data_gen.nursery", scene, str(out), *overrides]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_twenty_kills_of_workers_parents_and_both_lose_and_repeat_nothing(tmp_path):
    run_units(tmp_path / "calm", *MANY)
    found = play("kills", tmp_path / "killed", *MANY)
    assert len(found["killed"]) == 20
    assert 5 < found["before"] < 45, "the kills fell into the work"
    assert found["code"] == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "calm")


def test_two_generators_at_once_make_each_trial_once(tmp_path):
    run_units(tmp_path / "calm", *FEW)
    found = play("two_at_once", tmp_path / "both", *FEW)
    assert found["codes"] == [0, 0]
    assert contents(tmp_path / "both") == contents(tmp_path / "calm")
    made = [int(re.search(r"(\d+) rows written", said)[1]) for said in found["said"]]
    assert sum(made) == 12, "a row was made twice"
    assert not list((tmp_path / "both").rglob(".*"))


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_an_interrupt_finishes_what_it_can_and_says_how_to_go_on(tmp_path, signal):
    found = play(f"interrupt {signal}", tmp_path / "set", *MANY)
    assert found["code"] == 130
    assert found["seconds"] < 20
    assert found["said"][-3] == "interrupted: finishing or saving for at most 8 s"
    assert found["said"][-2] == f"{found['there']} of 45 trials done, {45 - found['there']} left"
    assert f"goes on from here: python -m data_gen out={tmp_path}/set" in found["said"][-1]
    assert found["again"] == 0
    assert len(contents(tmp_path / "set")) == 45


def test_a_full_disk_is_said_before_the_work_and_loses_nothing(tmp_path, monkeypatch):
    run_units(tmp_path / "calm", *FEW)
    found = play("full", tmp_path / "full", *FEW)
    assert (found["code"], found["left"], found["again"]) == (1, [], 0)
    assert "free the disk" in found["said"][-2]
    assert found["said"][-1].startswith("6 of 6 trials failed; the same command")
    assert contents(tmp_path / "full") == contents(tmp_path / "calm")


@pytest.mark.parametrize("place", ["/proc/trials", "{folder}/file"])
def test_a_place_that_cannot_be_written_is_one_line_before_any_trial_runs(tmp_path, capsys, place):
    (tmp_path / "file").write_text("no directory")
    out = place.format(folder=tmp_path)
    assert cli.main("data_gen", GenerateConfig, generate.generate, [*FEW, f"out={out}"]) == 2
    assert f"cannot write {out}" in capsys.readouterr().err.splitlines()[-1]


def test_bad_parts_are_named_deleted_and_made_again(tmp_path, capsys):
    run_units(tmp_path, "runs=4")
    before = contents(tmp_path)
    truncated, garbage, old, _ = sorted(tmp_path.rglob("part-*"))
    truncated.write_bytes(truncated.read_bytes()[:-100])
    whole = garbage.read_bytes()
    garbage.write_bytes(whole[:600] + bytes(64) + whole[664:])
    table = store.read(str(old), schema.TRIAL)
    store.write(str(old), table.replace_schema_metadata({"arc.schema_version": "0"}))
    assert cli.main("data_gen.status", StatusConfig, status.status, [f"out={tmp_path}", "verify=true"]) == 1
    bad = [line for line in capsys.readouterr().out.splitlines() if line.startswith("bad: ")]
    assert [part.name in line for part, line in zip((truncated, garbage, old), bad, strict=True)] == [
        True
    ] * 3
    assert "delete it and run the stage again" in bad[0]
    assert f"schema version 0, this program reads {schema.VERSION}" in bad[2]
    for part in (truncated, garbage, old):
        part.unlink()
    run_units(tmp_path, "runs=4")
    assert contents(tmp_path) == before


def test_a_part_that_another_generator_has_made_is_not_made_again(tmp_path):
    units = list(generate.units(config(tmp_path, "runs=1")))
    assert [unit.run() for unit in units] == [2]
    assert [unit.run() for unit in units] == [0]


def test_a_trial_that_diverges_in_its_first_epoch_is_whole_and_no_sample(tmp_path):
    run_units(tmp_path, "runs=1", "optimizers=[sgd]", "lr_range=[1e30,1e30]")
    ((_, table),) = store.read_all(str(tmp_path), schema.TRIAL)
    assert (len(table), len(samples_of(table))) == (1, 0)
