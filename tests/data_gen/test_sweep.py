"""Sweeps: runs at every LR of a grid, walks, resume, and the best LR of a setting."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_gen import kept_rows, schema, store
from data_gen.sweep import best, stage
from data_gen.sweep.best import BestConfig, best_lr
from data_gen.sweep.runs import ANNEAL, grid, walk
from data_gen.sweep.stage import SweepConfig, sweep
from tasks.work import claims, cli
from tasks.work.answers import Stopped, Taken
from tasks.work.checkpoint import Checkpoint
from tests.conftest import TINY
from tests.units import stops_after

LISTS = ("step", "norm", "distance", "cosine", "cosine2")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two settings of the tiny task."""
    out = tmp_path_factory.mktemp("sweeps")
    assert cli.main("data_gen.sweep", SweepConfig, sweep, _arguments(out)) == 0
    return out


def _arguments(out: Path) -> list[str]:
    asked = {"task": TINY, "settings_per_task": 2, "optimizers": "[adam,sgd]", "calls": 6, "walks": 2}
    return [f"{k}={v}" for k, v in {**asked, "workers": 1, "out": out}.items()]


def _runs(out: Path) -> pd.DataFrame:
    return pd.concat(store.read(path, schema.SWEEP).to_pandas() for path in store.parts(str(out)))


def test_a_setting_has_a_run_for_each_lr_and_the_walks(swept: Path) -> None:
    runs = _runs(swept)
    assert runs["run_id"].nunique() == 2 and set(runs["optimizer"]) == {"adam", "sgd"}
    for _, setting in runs.groupby("run_id"):
        constant = setting[setting["kind"] == "constant"]
        steps = np.diff(np.log10(constant["lr0"]))
        assert len(constant) > 3 and steps == pytest.approx(0.5)
        assert (setting["kind"] == "walk").sum() == 2


def test_rows_hold_movement_and_averaged_losses(swept: Path) -> None:
    for run in _runs(swept).itertuples():
        calls = len(run.step)
        assert calls <= run.calls and {len(getattr(run, name)) for name in LISTS} == {calls}
        assert len(run.train_mean) == len(run.train_spread) == calls * min(25, run.epoch_steps)
        assert len(run.tensor_cosine) == len(run.tensor_step) == 5 * calls
        assert np.isfinite(run.step).all() and math.isnan(run.cosine[0])


def test_constant_runs_end_with_an_anneal(swept: Path) -> None:
    runs = _runs(swept)
    lrs = next(np.asarray(run.lr) for run in runs.itertuples() if run.kind == "constant" and len(run.lr) == 6)
    falling = round(ANNEAL * 6)
    assert (lrs[: 6 - falling] == lrs[0]).all() and (np.diff(lrs[-falling - 1 :]) < 0).all()


def test_what_is_there_is_not_run_again(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: Path(path).stat().st_mtime_ns for path in store.parts(str(swept))}
    assert cli.main("data_gen.sweep", SweepConfig, sweep, _arguments(swept)) == 0
    assert "2 there, 0 to run" in capsys.readouterr().err
    assert {path: Path(path).stat().st_mtime_ns for path in store.parts(str(swept))} == before


def _units(out: Path, *more: str) -> list[stage.SweepUnit]:
    return list(stage.units(cli.parse("data_gen.sweep", SweepConfig, [*_arguments(out), *more])))


def test_a_sweep_that_is_told_to_stop_goes_on_after_its_last_run(swept: Path, tmp_path: Path) -> None:
    unit = _units(tmp_path)[0]
    for number in (2, 4):
        with pytest.raises(Stopped):
            unit.run(stops_after(number))
    assert len(kept_rows.unpacked(Checkpoint(unit.path).read()["rows"])) == 4
    ticks: list[None] = []
    assert unit.run(lambda: ticks.append(None)) == unit.ticks == len(ticks)
    whole = store.read(_units(swept)[0].path, schema.SWEEP)
    assert repr(store.read(unit.path, schema.SWEEP).to_pylist()) == repr(whole.to_pylist())
    assert [path.name for path in Path(unit.path).parent.iterdir()] == [Path(unit.path).name]


def test_shards_share_the_settings_and_a_claim_is_respected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for shard in ("1/2", "2/2"):
        arguments = [*_arguments(tmp_path), f"shard={shard}"]
        assert cli.main("data_gen.sweep", SweepConfig, sweep, arguments) == 0
        assert "1 settings asked for, 0 there, 1 to run" in capsys.readouterr().err
    assert len(store.parts(str(tmp_path))) == 2
    unit = _units(tmp_path / "claimed")[0]
    with claims.held(unit.path), pytest.raises(Taken):
        claims.claimed(unit).run(lambda: None)


def test_the_table_of_best_lrs(swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "best.parquet"
    asked = [f"sweeps={swept}", f"out={out}"]
    assert cli.main("data_gen.sweep.best", BestConfig, best.write, asked) == 0
    found = pd.read_parquet(out)
    assert len(found) and (found["lowest"] < found["untrained"]).all()
    runs = _runs(swept)
    for row in found.itertuples():
        lrs = runs[(runs["run_id"] == row.run_id) & (runs["kind"] == "constant")]["lr0"]
        assert lrs.min() <= row.best_lr <= lrs.max()
    assert "tiny_task" in capsys.readouterr().out


@pytest.mark.parametrize(
    "key",
    [
        "settings_per_task=0",
        "calls=3",
        "walks=-1",
        "optimizers=[]",
        "task=ptb_lstm",
        "shard=3/2",
        "timeout=0",
    ],
)
def test_bad_keys_are_refused(key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [f"task={TINY}", f"out={tmp_path}", "workers=1", key]
    assert cli.main("data_gen.sweep", SweepConfig, sweep, asked) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_best_lr_is_the_middle_of_those_that_end_alike() -> None:
    lrs = [1e-3, 1e-2, 1e-1, 1.0]
    assert best_lr(lrs, [2.0, 1.0, 1.0, 2.0], 3.0) == pytest.approx(10**-1.5)
    assert best_lr(lrs, [2.9, 2.0, 1.0, math.nan], 3.0) == pytest.approx(0.1, rel=1e-2)
    assert math.isnan(best_lr(lrs, [3.0, 3.0, 3.5, math.nan], 3.0)), "nothing was learned"
    assert math.isnan(best_lr(lrs, [math.nan] * 4, 3.0))


def test_a_grid_covers_its_range() -> None:
    lrs = grid(3e-4, 2.0)
    assert lrs[0] <= 3e-4 and lrs[-1] >= 2.0 and len(lrs) == 10


def test_walks_stay_in_their_range() -> None:
    rng = np.random.default_rng(0)
    walks = [walk(rng, 1e-3, 1.0, 20) for _ in range(50)]
    assert all(1e-3 <= lr <= 1.0 for lrs in walks for lr in lrs)
    jumps = np.mean([len(set(lrs)) - 1 for lrs in walks])
    assert 4 < jumps < 9
