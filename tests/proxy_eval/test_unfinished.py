"""A run of the comparison that is killed goes on within the run, to the same row."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from arc.network import weights
from proxy_eval import methods
from proxy_eval.comparison_run import ComparisonUnit
from proxy_eval.watched import WatchedRun
from tasks.work import checkpoint
from tasks.work.answers import Stopped
from tasks.work.checkpoint import Checkpoint
from tests.proxy_eval.units import unit
from tests.units import stops_after

TIMES = {"seconds", "cpu_seconds", "unit_seconds", "wall_seconds", "peak_memory"}
OPTIONS: dict[str, dict[str, Any]] = {
    "arc_published": {"weights": str(weights.PRETRAINED)},
    "warmup_cosine": {"warmup": 0.05},
}
METHODS = (
    "constant",
    "warmup_cosine",
    "plateau",
    "schedule_free",
    "prodigy_cosine",
    "arc_published",
    "arc_anneal_rollback",
    "arc_auto_anneal",
    "autolr_scaled",
    "autolrs_scaled",
)


class Killed(BaseException):
    """Nothing in the program catches it, as nothing catches SIGKILL."""


def result(row: dict[str, Any]) -> str:
    """What a run found, as text: NaN is equal to NaN there."""
    return json.dumps({k: v for k, v in row.items() if k not in TIMES}, sort_keys=True)


def killed_after(monkeypatch: pytest.MonkeyPatch, run: ComparisonUnit, steps: int) -> None:
    """Run it until a training call would pass so many steps (searches included)."""
    train = WatchedRun.train

    def until_killed(self: WatchedRun, *args: Any, **settings: Any) -> list[float]:
        if self.cost.steps >= steps:
            raise Killed
        return train(self, *args, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(WatchedRun, "train", until_killed)
        with pytest.raises(Killed):
            run.run()


@pytest.fixture
def saves_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", 0.0)


def case(name: str, out: Path) -> ComparisonUnit:
    lr0 = 0.03 if methods.get(name).needs_lr0 else None
    return unit(name, options=OPTIONS.get(name, {}), lr0=lr0, epochs=9, out=str(out))


@pytest.mark.usefixtures("saves_every_epoch")
@pytest.mark.parametrize("name", METHODS)
def test_a_killed_run_goes_on_to_the_same_row(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = case(name, tmp_path / "whole").row()
    cut = case(name, tmp_path / "cut")
    killed_after(monkeypatch, cut, whole["steps"] - 10)
    assert Checkpoint(cut.path).read() is not None
    began = []
    monkeypatch.setattr(WatchedRun, "restore", _noticing(WatchedRun.restore, began))
    ticks: list[None] = []
    assert cut.run(lambda: ticks.append(None)) == 1
    assert began and began[0] > 0
    assert len(ticks) == cut.ticks
    row = pd.read_parquet(cut.path, partitioning=None).iloc[0]
    assert row["run_id"] == cut.run_id and row["wall_seconds"] >= row["seconds"] > 0
    assert Checkpoint(cut.path).read() is None
    again = case(name, tmp_path / "again")
    killed_after(monkeypatch, again, whole["steps"] - 10)
    assert result(again.row()) == result(whole)


def _noticing(restore: Any, began: list[int]) -> Any:
    def noticed(self: WatchedRun, snapshot: dict[str, Any]) -> None:
        began.append(snapshot["step_count"])
        restore(self, snapshot)

    return noticed


@pytest.mark.usefixtures("saves_every_epoch")
def test_a_run_may_be_killed_more_than_once_and_its_time_adds_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = case("arc_anneal_rollback", tmp_path)
    for steps in (5, 17, 18, 30):
        killed_after(monkeypatch, run, steps)
    saved = Checkpoint(run.path).read()
    assert saved is not None
    row = run.row()
    assert result(row) == result(case("arc_anneal_rollback", tmp_path / "whole").row())
    assert row["wall_seconds"] > saved["spent"][0] > 0
    assert row["unit_seconds"] > saved["spent"][1] > 0
    assert row["cpu_seconds"] > saved["clock"][1] > 0


def test_a_run_that_is_told_to_stop_saves_and_goes_on_to_the_same_row(tmp_path: Path) -> None:
    run = case("arc_anneal_rollback", tmp_path)
    with pytest.raises(Stopped):
        run.run(stops_after(4))
    assert Checkpoint(run.path).read() is not None
    assert result(run.row()) == result(case("arc_anneal_rollback", tmp_path / "whole").row())


@pytest.mark.usefixtures("saves_every_epoch")
def test_what_cannot_be_gone_on_from_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = case("constant", tmp_path)
    killed_after(monkeypatch, run, 12)
    file = next(Path(run.path).parent.glob(".*.checkpoint"))
    file.write_bytes(file.read_bytes()[:100])
    assert Checkpoint(run.path).read() is None
    assert result(run.row()) == result(case("constant", tmp_path / "whole").row())

    Checkpoint(run.path).write({"run": {}})
    monkeypatch.setattr(checkpoint.torch, "__version__", "1.0")
    assert Checkpoint(run.path).read() is None  # of another torch: its random numbers may be others


@pytest.mark.usefixtures("saves_every_epoch")
def test_a_dead_run_stays_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = replace(case("constant", tmp_path), lr0=1e38)
    whole = replace(lost, out=str(tmp_path / "whole")).row()
    assert len(whole["val_loss"]) < 9
    monkeypatch.setattr(Checkpoint, "delete", lambda self: None)
    lost.run()
    assert result(lost.row()) == result(whole)


def test_nothing_is_saved_before_its_time(tmp_path: Path) -> None:
    run = case("constant", tmp_path)
    run.run()
    assert [p.name for p in Path(run.path).parent.iterdir()] == [Path(run.path).name]


def test_a_run_knows_the_memory_that_it_held() -> None:
    row = unit().row()
    assert 50e6 < row["peak_memory"] < 50e9  # the process with torch and its libraries


def test_a_checkpoint_is_due_a_minute_after_the_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = 0.0
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    file = Checkpoint(str(tmp_path / "part.parquet"))
    for last in (0.0, 60.0):
        now = last + 59.9
        assert not file.due
        now = last + 60.0
        assert file.due
        file.write({})
