"""The stages' event files: a folder for each unit, with scalars and settings; results are as without them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_gen import generate
from data_gen.generate import GenerateConfig
from tasks.errors import InputError
from tasks.work import cli, tensorboard

pytestmark = pytest.mark.filterwarnings("default")  # protobuf's own


def _events(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def test_a_unit_logs_scalars_and_settings(tmp_path: Path) -> None:
    for value in (0.5, 0.25):  # a second run of the unit replaces the first
        with tensorboard.writing(str(tmp_path), "unit", {"lr": 0.1, "task": ["a"]}, ("loss",)) as log:
            log(1, {"loss": value, "name": "text", "lost": float("nan")})
    found = _events(tmp_path / "unit")
    assert [event.value for event in found.Scalars("loss")] == [0.25]
    assert found.Tags()["scalars"] == ["loss"]
    assert b"task" in found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content


def test_nothing_is_written_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with tensorboard.writing(None, "unit", {}, ()) as log:
        log(1, {"loss": 1.0})
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorboard.importlib.util, "find_spec", lambda name: None)
    tensorboard.check(None)
    with pytest.raises(InputError, match=r"\[tensorboard\]"):
        tensorboard.check("runs/board")


def test_trials_are_the_same_with_a_board(tiny: str, tmp_path: Path) -> None:
    tables = []
    for i, extra in enumerate(([], [f"tensorboard={tmp_path}/board"])):
        arguments = [f"task={tiny}", "runs=1", "cycles=2", "max_period=1", "optimizers=[adam]"]
        config = cli.parse("data_gen", GenerateConfig, [*arguments, f"out={tmp_path}/trials{i}", *extra])
        (unit,) = generate.units(config)
        assert unit.run() == 2
        (part,) = (tmp_path / f"trials{i}").rglob("*.parquet")
        tables.append(pd.read_parquet(part, partitioning=None).drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables)
    (folder,) = (tmp_path / "board").iterdir()
    assert len(_events(folder).Scalars("keep_val_loss")) == 2
