"""The Lightning callback on real trainings."""

import json
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import Logger

import arc
from arc.integrations.lightning import ARCCallback
from arc.saved import VERSION
from tests.arc.conftest import Answering
from tests.arc.helpers import run_module
from tests.arc.integrations.lightning_module import QUIET, Regression, loader


def _fit(callback: ARCCallback, module: Regression, **settings: Any) -> pl.Trainer:
    trainer = pl.Trainer(**{**QUIET, "max_epochs": 4, "callbacks": [callback], **settings})
    trainer.fit(module, loader(), loader())
    return trainer


def _lr(trainer: pl.Trainer) -> float:
    return float(trainer.optimizers[0].param_groups[0]["lr"])


def _log(callback: ARCCallback) -> list[Any]:
    return callback.controller._log


@pytest.mark.parametrize("manual", [False, True])
def test_automatic_and_manual_optimization(answering: Answering, manual: bool) -> None:
    callback = ARCCallback(network=answering(arc.Action.RAISE), policy="paper", period=2)
    trainer = _fit(callback, Regression(manual=manual))
    assert _lr(trainer) == pytest.approx(0.01 * 1.618**2)
    assert [entry.epoch for entry in _log(callback)] == [1, 2, 3, 4]
    assert all(entry.val_loss < entry.train_loss for entry in _log(callback))


def test_one_loss_is_recorded_per_optimizer_step(network: arc.Network) -> None:
    callback = ARCCallback(network=network, period=9, total_calls=None)
    _fit(callback, Regression(), accumulate_grad_batches=2)
    assert len(callback.controller._run.history.losses) == 4 * 2


def test_validation_may_be_rarer_or_more_frequent(network: arc.Network) -> None:
    rare = ARCCallback(network=network, period=2)
    _fit(rare, Regression(), check_val_every_n_epoch=2)
    assert [entry.val_loss is not None for entry in _log(rare)] == [False, True, False, True]
    frequent = ARCCallback(network=network, period=2, on="validation")
    _fit(frequent, Regression(), val_check_interval=2)
    assert len(_log(frequent)) == 8


def test_a_schedule_of_the_module_is_scaled_along(answering: Answering) -> None:
    callback = ARCCallback(network=answering(arc.Action.RAISE), policy="paper", period=1)
    with pytest.warns(UserWarning, match="LambdaLR lets the LR fall .* leave it out of configure_optimizers"):
        trainer = _fit(callback, Regression(schedule=True))
    assert _lr(trainer) == pytest.approx(0.01 * 1.618**4 * 0.5**4)


def test_a_resumed_training_decides_alike(network: arc.Network, tmp_path: Path) -> None:
    whole = ARCCallback(network=network, period=3)
    lr = _lr(_fit(whole, Regression(), max_epochs=7))

    half = ARCCallback(network=network, period=3, total_calls=7)
    trainer = _fit(half, Regression(), max_epochs=4)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    rest = ARCCallback(network=network, period=3)
    again = pl.Trainer(**QUIET, max_epochs=7, callbacks=[rest])
    again.fit(Regression(), loader(), loader(), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert _lr(again) == pytest.approx(lr)
    assert rest.controller.decisions == whole.controller.decisions


def test_a_rollback_takes_the_module(network: arc.Network) -> None:
    callback = ARCCallback(network=network, rollback=True)
    _fit(callback, Regression(), max_epochs=1)
    assert callback.controller._run.recovery.copies is not None


def test_what_is_not_logged_is_named(network: arc.Network) -> None:
    with pytest.raises(ValueError, match="module logged val_loss: write ARCCallback"):
        _fit(ARCCallback(network=network, monitor="loss/val"), Regression())
    with pytest.raises(ValueError, match="logged no 'loss/train'"):
        _fit(ARCCallback(network=network, train_loss="loss/train"), Regression(manual=True))
    with pytest.raises(ValueError, match="got on='step'"):
        ARCCallback(on="step")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got optimizer=2, need 0 to 0: the training has 1"):
        _fit(ARCCallback(network=network, optimizer=2), Regression())


def test_a_setting_that_there_is_not_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"ARCCallback got monitr='loss': did you mean monitor\?"):
        ARCCallback(monitr="loss")
    with pytest.raises(TypeError, match="ARCCallback got patience=3: there are network, policy, period"):
        ARCCallback(patience=3)


def test_two_processes_hold_the_same_lr(shipped: Path, tmp_path: Path) -> None:
    run_module("integrations.lightning_module", shipped, tmp_path)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second and len(first["decisions"]) == 3


def test_the_state_needs_no_pickle(network: arc.Network, tmp_path: Path) -> None:
    callback = ARCCallback(network=network, period=3)
    _fit(callback, Regression(), max_epochs=2)
    torch.save(callback.state_dict(), tmp_path / "state.pt")
    assert torch.load(tmp_path / "state.pt", weights_only=True)["controller"]["version"] == VERSION


@pytest.mark.parametrize(
    "settings, on, calls",
    [
        ({}, "epoch", 4),
        ({"max_epochs": -1, "max_steps": 6}, "epoch", 2),
        ({"max_steps": 5, "accumulate_grad_batches": 3}, "epoch", 3),
        ({"check_val_every_n_epoch": 2}, "epoch", 4),
        ({"check_val_every_n_epoch": 2}, "validation", 2),
        ({"val_check_interval": 2}, "validation", 8),
        ({"val_check_interval": 3, "check_val_every_n_epoch": None}, "validation", 5),
        ({"val_check_interval": 2, "max_steps": 7}, "validation", 3),
        ({"val_check_interval": 0.25, "check_val_every_n_epoch": 2, "max_steps": 6}, "validation", 2),
    ],
)
def test_the_number_of_calls_is_known_at_the_start(
    network: arc.Network, settings: dict[str, Any], on: Any, calls: int
) -> None:
    callback = ARCCallback(network=network, on=on)
    _fit(callback, Regression(), **settings)
    assert callback.controller.settings.total_calls == calls == len(_log(callback))


class Enough(pl.Callback):
    """Ends a training after its first epoch."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.should_stop = True


def test_a_training_without_an_end_has_no_total(network: arc.Network) -> None:
    callback = ARCCallback(network=network)
    _fit(callback, Regression(), max_epochs=-1, callbacks=[callback, Enough()])
    assert callback.controller.settings.total_calls is None


class Rows(Logger):
    """Keeps what is logged."""

    name, version = "rows", 0

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int | None, dict[str, float]]] = []

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.rows.append((step, dict(metrics)))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None: ...


@pytest.mark.parametrize("monitored", [False, True])
def test_lr_and_decisions_go_to_the_trainers_logger(answering: Answering, monitored: bool) -> None:
    """Under the names of the LearningRateMonitor, and not twice beside it."""
    callback, logger = ARCCallback(network=answering(arc.Action.RAISE), policy="paper", period=2), Rows()
    others = [LearningRateMonitor()] if monitored else []
    _fit(callback, Regression(), callbacks=[callback, *others], logger=logger, log_every_n_steps=1)
    factors = [(step, row) for step, row in logger.rows if "arc-factor" in row]
    found = [(step, row["arc-factor"]) for step, row in factors]
    assert found == [(8, pytest.approx(1.618)), (16, pytest.approx(1.618))]
    if monitored:
        assert all(row.keys() == {"arc-factor"} for _, row in factors)
    else:
        powers = {0: 0, 4: 0, 8: 1, 12: 1, 16: 2}
        lrs = [(step, row["lr-SGD"]) for step, row in logger.rows if "lr-SGD" in row]
        assert lrs == [(step, pytest.approx(0.01 * 1.618**power)) for step, power in powers.items()]


def test_a_validation_that_never_comes_is_refused(network: arc.Network) -> None:
    with pytest.raises(ValueError, match="got on='validation', but the trainer validates nothing"):
        _fit(ARCCallback(network=network, on="validation"), Regression(), limit_val_batches=0)


def test_a_checkpoint_without_the_controllers_state_is_told(network: arc.Network, tmp_path: Path) -> None:
    trainer = pl.Trainer(**{**QUIET, "max_epochs": 1})
    trainer.fit(Regression(), loader(), loader())
    trainer.save_checkpoint(tmp_path / "plain.ckpt")
    again = pl.Trainer(**{**QUIET, "max_epochs": 2, "callbacks": [ARCCallback(network=network)]})
    with pytest.warns(UserWarning, match="no state of ARC: the controller starts afresh"):
        again.fit(Regression(), loader(), loader(), ckpt_path=tmp_path / "plain.ckpt", weights_only=True)


@pytest.mark.parametrize(
    "settings, said",
    [
        ({}, ["epoch 1  ", "epoch 3  "]),
        ({"on": "validation"}, ["step 8  ", "step 16  "]),
        ({"verbose": False}, []),
    ],
)
def test_a_decision_is_said_in_lightnings_count(
    answering: Answering, capsys: pytest.CaptureFixture[str], settings: dict[str, Any], said: list[str]
) -> None:
    callback = ARCCallback(network=answering(arc.Action.RAISE), policy="paper", period=2, **settings)
    _fit(callback, Regression())
    lines = [line for line in capsys.readouterr().err.splitlines() if " lr " in line]
    assert len(lines) == len(said) and all(map(str.startswith, lines, said))


class Two(Regression):
    """Manual optimization of two optimizers that move together."""

    def __init__(self) -> None:
        super().__init__(manual=True)

    def training_step(self, batch: tuple[torch.Tensor], _: int) -> None:
        loss = self._loss(batch)
        self.manual_backward(loss)
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            optimizer.step()
            optimizer.zero_grad()
        self.log("train_loss", loss)

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD([self.net.weight], lr=0.01), torch.optim.Adam([self.net.bias], lr=0.001)]


def test_several_optimizers_move_together(answering: Answering) -> None:
    callback = ARCCallback(network=answering(arc.Action.RAISE), policy="paper", period=2, optimizer=[0, 1])
    trainer = _fit(callback, Two())
    lrs = [optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers]
    assert lrs == [pytest.approx(0.01 * 1.618**2), pytest.approx(0.001 * 1.618**2)]
    assert len(_log(callback)) == 4
    with pytest.raises(ValueError, match="got 2 optimizers, say which one"):
        _fit(ARCCallback(network=answering(arc.Action.RAISE)), Two())
