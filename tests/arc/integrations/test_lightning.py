"""The Lightning callback on real trainings."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

import arc
from arc.integrations.lightning import ARCCallback
from arc.state import VERSION
from tests.arc.conftest import Answering
from tests.arc.integrations.lightning_module import QUIET, Regression, loader

ROOT = Path(__file__).parents[3]


def _fit(callback: ARCCallback, module: Regression, **settings: Any) -> pl.Trainer:
    trainer = pl.Trainer(**{**QUIET, "max_epochs": 4, "callbacks": [callback], **settings})
    trainer.fit(module, loader(), loader())
    return trainer


def _lr(trainer: pl.Trainer) -> float:
    return float(trainer.optimizers[0].param_groups[0]["lr"])


def _log(callback: ARCCallback) -> list[Any]:
    assert callback.controller is not None
    return callback.controller._log


@pytest.mark.parametrize("manual", [False, True])
def test_automatic_and_manual_optimization(answering: Answering, manual: bool) -> None:
    callback = ARCCallback(network=answering(arc.Action.RAISE), policy="paper", period=2)
    trainer = _fit(callback, Regression(manual=manual))
    assert _lr(trainer) == pytest.approx(0.01 * 1.618**2)
    assert [entry.epoch for entry in _log(callback)] == [1, 2, 3, 4]
    assert all(entry.val_loss < entry.train_loss for entry in _log(callback))


def test_one_loss_is_recorded_per_optimizer_step(network: arc.Network) -> None:
    callback = ARCCallback(network=network, period=9)
    _fit(callback, Regression(), accumulate_grad_batches=2)
    assert callback.controller is not None
    assert len(callback.controller._decider.history.losses) == 4 * 2


def test_validation_may_be_rarer_or_more_frequent(network: arc.Network) -> None:
    rare = ARCCallback(network=network, period=2)
    _fit(rare, Regression(), check_val_every_n_epoch=2)
    assert [entry.val_loss is not None for entry in _log(rare)] == [False, True, False, True]
    frequent = ARCCallback(network=network, period=2, on="validation")
    _fit(frequent, Regression(), val_check_interval=2)
    assert len(_log(frequent)) == 8


def test_a_schedule_of_the_module_is_scaled_along(answering: Answering) -> None:
    callback = ARCCallback(network=answering(arc.Action.RAISE), policy="paper", period=1)
    trainer = _fit(callback, Regression(schedule=True))
    assert _lr(trainer) == pytest.approx(0.01 * 1.618**4 * 0.5**4)


def test_a_resumed_training_decides_alike(network: arc.Network, tmp_path: Path) -> None:
    whole = ARCCallback(network=network, period=3)
    lr = _lr(_fit(whole, Regression(), max_epochs=7))

    half = ARCCallback(network=network, period=3)
    trainer = _fit(half, Regression(), max_epochs=4)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    rest = ARCCallback(network=network, period=3)
    again = pl.Trainer(**QUIET, max_epochs=7, callbacks=[rest])
    again.fit(Regression(), loader(), loader(), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert _lr(again) == pytest.approx(lr)
    assert whole.controller is not None and rest.controller is not None
    assert rest.controller.decisions == whole.controller.decisions


def test_a_rollback_takes_the_module(network: arc.Network) -> None:
    callback = ARCCallback(network=network, rollback=True)
    _fit(callback, Regression(), max_epochs=1)
    assert callback.controller is not None and callback.controller._decider.copies is not None


def test_what_is_not_logged_is_named(network: arc.Network) -> None:
    with pytest.raises(ValueError, match="got monitor='loss/val', but the module logged val_loss"):
        _fit(ARCCallback(network=network, monitor="loss/val"), Regression())
    with pytest.raises(ValueError, match="logged no 'loss/train'"):
        _fit(ARCCallback(network=network, train_loss="loss/train"), Regression(manual=True))
    with pytest.raises(ValueError, match="got on='step'"):
        ARCCallback(on="step")  # type: ignore[arg-type]


def test_two_processes_hold_the_same_lr(shipped: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.arc.integrations.lightning_module", str(shipped), str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second and len(first["decisions"]) == 4


def test_the_state_needs_no_pickle(network: arc.Network, tmp_path: Path) -> None:
    callback = ARCCallback(network=network, period=3)
    _fit(callback, Regression(), max_epochs=2)
    torch.save(callback.state_dict(), tmp_path / "state.pt")
    assert torch.load(tmp_path / "state.pt", weights_only=True)["controller"]["version"] == VERSION
