"""``arc.Scheduler`` where Trainer, Lightning and Accelerate expect a scheduler."""

import json
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from accelerate import Accelerator, debug_launcher
from transformers import Trainer

import arc
from arc.integrations import lightning, transformers
from tests.arc.conftest import Answering
from tests.arc.integrations.accelerate_loop import in_two_processes, train
from tests.arc.integrations.lightning_module import QUIET, Regression, loader
from tests.arc.integrations.test_transformers import ROWS
from tests.arc.integrations.test_transformers import Regression as Model
from tests.arc.integrations.trainer import arguments


def _trainer(
    folder: Path, network: arc.Network, callbacks: Any = (), *, epochs: int = 4, **settings: Any
) -> tuple[Trainer, arc.Scheduler]:
    sizes = {"num_train_epochs": epochs, "per_device_train_batch_size": 16, "lr_scheduler_type": "linear"}
    logging = {"save_strategy": "epoch", "logging_strategy": "steps", "logging_steps": 1}
    asked = arguments(folder, **{**sizes, **logging, "metric_for_best_model": "loss", **settings})
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scheduler = arc.Scheduler(optimizer, network=network, policy="paper", period=2)
    trainer = Trainer(
        model,
        asked,
        train_dataset=ROWS,
        eval_dataset=ROWS,
        callbacks=list(callbacks),
        optimizers=(optimizer, scheduler),  # type: ignore[arg-type]
    )
    return trainer, scheduler


def test_a_trainer_steps_it_after_every_evaluation(answering: Answering, tmp_path: Path) -> None:
    trainer, scheduler = _trainer(tmp_path, answering(arc.Action.RAISE))
    trainer.train()
    assert scheduler.get_last_lr() == [pytest.approx(0.01 * 1.618**2)]
    losses = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
    assert [e.val_loss for e in scheduler.controller._log] == pytest.approx(losses)
    logged = [row["learning_rate"] for row in trainer.state.log_history if "learning_rate" in row]
    assert logged == pytest.approx([0.01] * 8 + [0.01618] * 8)


@pytest.mark.parametrize("given", [True, False])
def test_the_trainers_callback_shows_it_the_training_losses(
    answering: Answering, tmp_path: Path, given: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """It adds itself at the first step, and decisions are said in the trainer's count."""
    callbacks = [transformers.ARCCallback()] if given else []
    trainer, scheduler = _trainer(tmp_path, answering(arc.Action.RAISE), callbacks)
    trainer.train()
    found = [c for c in trainer.callback_handler.callbacks if isinstance(c, transformers.ARCCallback)]
    assert [callback.controller for callback in found] == [scheduler.controller]
    lines = [line.split("  ")[0] for line in capsys.readouterr().err.splitlines() if " lr " in line]
    assert lines == ["epoch 2", "epoch 4"]
    assert [e.epoch for e in scheduler.controller._log] == [1, 2, 3, 4]
    assert all(e.train_loss > e.val_loss for e in scheduler.controller._log)


@pytest.mark.parametrize(
    "settings", [{"metric_for_best_model": None}, {"eval_strategy": "no", "save_strategy": "no"}]
)
def test_a_trainer_that_would_never_step_it_is_refused_with_the_line_to_write(
    network: arc.Network, tmp_path: Path, settings: dict[str, Any]
) -> None:
    trainer, _ = _trainer(tmp_path, network, **settings)
    with pytest.raises(ValueError, match=r"write TrainingArguments\(.*metric_for_best_model='loss'"):
        trainer.train()


def test_settings_for_the_callback_beside_it_are_refused(network: arc.Network, tmp_path: Path) -> None:
    trainer, _ = _trainer(tmp_path, network, [transformers.ARCCallback(period=2)])
    with pytest.raises(ValueError, match="got period for the callback beside an arc"):
        trainer.train()


def test_a_trainer_resumes_it(network: arc.Network, tmp_path: Path) -> None:
    whole, scheduler = _trainer(tmp_path, network, [transformers.ARCCallback()])
    whole.train()
    again, rest = _trainer(tmp_path, network, [transformers.ARCCallback()])
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert rest.controller.decisions == scheduler.controller.decisions != []


class Scheduled(Regression):
    """With a scheduler from ``configure_optimizers``."""

    def __init__(self, network: arc.Network) -> None:
        super().__init__()
        self._network = [network]  # in a list it is no part of the module

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.01)
        self.scheduler = arc.Scheduler(optimizer, network=self._network[0], policy="paper", period=2)
        config = {"scheduler": self.scheduler, "monitor": "val_loss"}
        return {"optimizer": optimizer, "lr_scheduler": config}


@pytest.mark.parametrize("with_callback", [False, True])
def test_lightning_steps_it_and_shows_it_the_losses(answering: Answering, with_callback: bool) -> None:
    """Through the closure of the optimizer's step, or through the callback; never twice."""
    module = Scheduled(answering(arc.Action.RAISE))
    callbacks = [lightning.ARCCallback()] if with_callback else []
    pl.Trainer(**{**QUIET, "max_epochs": 4, "callbacks": callbacks}).fit(module, loader(), loader())
    assert module.scheduler.get_last_lr() == [pytest.approx(0.01 * 1.618**2)]
    log = module.scheduler.controller._log
    assert [e.epoch for e in log] == [1, 2, 3, 4]
    assert all(e.val_loss is not None and e.val_loss < e.train_loss for e in log)


def test_lightning_resumes_it(network: arc.Network, tmp_path: Path) -> None:
    whole = Scheduled(network)
    pl.Trainer(**{**QUIET, "max_epochs": 6}).fit(whole, loader(), loader())
    trainer = pl.Trainer(**{**QUIET, "max_epochs": 3})
    trainer.fit(Scheduled(network), loader(), loader())
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    rest = Scheduled(network)
    again = pl.Trainer(**{**QUIET, "max_epochs": 6})
    again.fit(rest, loader(), loader(), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert rest.scheduler.controller.decisions == whole.scheduler.controller.decisions != []


def test_accelerate_prepares_it(answering: Answering) -> None:
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=3)
    scheduler = train(accelerator, answering(arc.Action.RAISE))
    assert scheduler.get_last_lr() == [pytest.approx(0.01 * 1.618**2)]
    assert [e.epoch for e in scheduler.controller._log] == [1, 2, 3, 4]


def test_accelerate_steps_it_once_per_process(answering: Answering, tmp_path: Path) -> None:
    debug_launcher(in_two_processes, (answering(arc.Action.RAISE), tmp_path))
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second == {"lr": [pytest.approx(0.01 * 1.618**2)], "calls": 4}
