"""The Hugging Face callback on a real ``Trainer``."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, Trainer, TrainerCallback
from transformers.modeling_outputs import SequenceClassifierOutput

import arc
from arc.integrations.transformers import STATE_FILE, ARCCallback
from tests.arc.conftest import Answering
from tests.arc.integrations.trainer import arguments

ROWS = [
    {"inputs": row, "labels": row.sum(0, keepdim=True)}
    for row in torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
]


class Regression(PreTrainedModel):
    """Learns the sum of four numbers."""

    config_class = PretrainedConfig

    def __init__(self) -> None:
        super().__init__(PretrainedConfig())
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.net = nn.Linear(4, 1)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """The constructor's stay."""

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor | None = None) -> SequenceClassifierOutput:
        outputs = self.net(inputs)
        loss = None if labels is None else (outputs - labels).square().mean()
        return SequenceClassifierOutput(loss=loss, logits=outputs)


class OwnLoss(Trainer):
    """Computes the loss outside the model."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        outputs = model(inputs=inputs["inputs"])
        loss = (outputs.logits - inputs["labels"]).square().mean()
        return (loss, {"logits": outputs.logits}) if return_outputs else loss


def train(
    folder: Path,
    callback: ARCCallback,
    *others: TrainerCallback,
    resume: bool = False,
    kind: type[Trainer] = Trainer,
    **settings: Any,
) -> Trainer:
    sizes = {"num_train_epochs": 4, "per_device_train_batch_size": 16}
    asked = arguments(folder, **{**sizes, "learning_rate": 0.01, "optim": "sgd", **settings})
    trainer = kind(Regression(), asked, train_dataset=ROWS, eval_dataset=ROWS, callbacks=[callback, *others])
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def _lr(trainer: Trainer) -> float:
    assert trainer.optimizer is not None
    return float(trainer.optimizer.param_groups[0]["lr"])


def _log(callback: ARCCallback) -> list[Any]:
    return callback.controller._log


def test_the_constant_schedule_does_not_overwrite_the_lr(answering: Answering, tmp_path: Path) -> None:
    callback = ARCCallback(network=answering(arc.Action.RAISE), policy="paper", period=1)
    trainer = train(tmp_path, callback)
    assert _lr(trainer) == pytest.approx(0.01 * 1.618**4)
    assert [entry.epoch for entry in _log(callback)] == [1, 2, 3, 4]
    assert all(entry.val_loss < entry.train_loss for entry in _log(callback))


def test_a_linear_schedule_is_scaled(answering: Answering, tmp_path: Path) -> None:
    callback = ARCCallback(network=answering(arc.Action.RAISE), policy="paper", period=1)
    train(tmp_path, callback, lr_scheduler_type="linear", warmup_steps=4)
    expected = [0.01, 0.01 * 1.618 * 2 / 3, 0.01 * 1.618**2 / 3, 0.0]  # 4 steps up, 12 down, an epoch has 4
    assert [e.lr for e in _log(callback)] == pytest.approx(expected)


@pytest.mark.parametrize("settings", [{"eval_strategy": "steps", "eval_steps": 2}, {"eval_strategy": "no"}])
def test_it_is_called_per_evaluation_or_else_per_epoch(
    network: arc.Network, tmp_path: Path, settings: dict[str, Any]
) -> None:
    callback = ARCCallback(network=network)
    train(tmp_path, callback, **settings)
    evaluates = settings["eval_strategy"] == "steps"
    assert len(_log(callback)) == (8 if evaluates else 4)
    assert all((entry.val_loss is not None) == evaluates for entry in _log(callback))


def test_one_loss_is_recorded_per_optimizer_step(network: arc.Network, tmp_path: Path) -> None:
    callback = ARCCallback(network=network, period=9, total_calls=None)
    train(tmp_path, callback, gradient_accumulation_steps=2)
    assert len(callback.controller._run.history.losses) == 4 * 2


def test_a_loss_of_ones_own_is_taken_from_the_logs(network: arc.Network, tmp_path: Path) -> None:
    callback = ARCCallback(network=network, period=9, total_calls=None)
    train(tmp_path, callback, kind=OwnLoss, logging_strategy="steps", logging_steps=1, eval_strategy="no")
    assert len(callback.controller._run.history.losses) == 4 * 4


def test_a_logged_loss_stands_for_the_steps_that_it_is_a_mean_of(tmp_path: Path) -> None:
    callback = ARCCallback()
    train(tmp_path, callback, kind=OwnLoss, logging_strategy="epoch", eval_strategy="epoch")
    assert [call.steps for call in callback.controller._run.course.calls] == [4] * 4


def test_evaluations_around_the_training_are_ignored(network: arc.Network, tmp_path: Path) -> None:
    callback = ARCCallback(network=network)
    trainer = train(tmp_path, callback, eval_on_start=True)
    trainer.evaluate()
    assert len(_log(callback)) == 4


def test_a_resumed_training_decides_alike(network: arc.Network, tmp_path: Path) -> None:
    whole = ARCCallback(network=network, period=3)
    lr = _lr(train(tmp_path / "whole", whole, num_train_epochs=7))
    folder = tmp_path / "half"
    first = ARCCallback(network=network, period=3, total_calls=7)
    train(folder, first, save_strategy="epoch", num_train_epochs=4)
    assert (folder / "checkpoint-16" / STATE_FILE).is_file()
    rest = ARCCallback(network=network, period=3)
    trainer = train(folder, rest, save_strategy="epoch", num_train_epochs=7, resume=True)
    assert _lr(trainer) == pytest.approx(lr)
    assert rest.controller.decisions == whole.controller.decisions


def test_a_checkpoint_without_the_controllers_state_is_told(network: arc.Network, tmp_path: Path) -> None:
    train(tmp_path, ARCCallback(network=network), save_strategy="epoch", num_train_epochs=2)
    (tmp_path / "checkpoint-8" / STATE_FILE).unlink()
    with pytest.warns(UserWarning, match="the controller starts afresh"):
        train(tmp_path, ARCCallback(network=network), save_strategy="epoch", resume=True)


def test_a_schedule_that_falls_is_said_once(network: arc.Network, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="lr_scheduler_type='linear'.*write .*lr_scheduler_type='constant'"):
        train(tmp_path, ARCCallback(network=network), lr_scheduler_type="linear", num_train_epochs=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="the Trainer's scheduler")
        settings = {"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 2, "num_train_epochs": 1}
        train(tmp_path, ARCCallback(network=network), **settings)


def test_the_logged_learning_rate_is_the_controllers(answering: Answering, tmp_path: Path) -> None:
    callback = ARCCallback(network=answering(arc.Action.RAISE), policy="paper", period=1)
    trainer = train(tmp_path, callback, logging_strategy="steps", logging_steps=1)
    logged = [row["learning_rate"] for row in trainer.state.log_history if "learning_rate" in row]
    expected = [0.01 * 1.618**epoch for epoch in range(4) for _ in range(4)]
    assert logged == pytest.approx(expected)


def test_decisions_go_to_what_the_trainer_logs_to(answering: Answering, tmp_path: Path) -> None:
    """By the trainer's own log: what it reports to (TensorBoard, W&B, MLflow) sees all of it."""
    reported: list[dict[str, float]] = []

    class Reporter(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            reported.append(dict(logs))

    callback = ARCCallback(network=answering(arc.Action.RAISE), policy="paper", period=2)
    trainer = train(tmp_path, callback, Reporter())
    factors = [row["arc_factor"] for row in reported if "arc_factor" in row]
    assert factors == pytest.approx([1.618] * 2)
    assert [r["step"] for r in trainer.state.log_history if "arc_factor" in r] == [8, 16]


def test_the_distance_is_logged_where_the_network_says_it(tmp_path: Path) -> None:
    trainer = train(tmp_path, ARCCallback(rollback=False, period=1), num_train_epochs=4, max_steps=48)
    assert [r for r in trainer.state.log_history if "arc_distance" in r]


def test_a_loss_that_is_never_logged_in_time_is_told(network: arc.Network, tmp_path: Path) -> None:
    callback = ARCCallback(network=network)
    with pytest.warns(UserWarning, match="no decision: .* take logging_steps no larger than eval_steps"):
        train(tmp_path, callback, kind=OwnLoss, logging_strategy="steps", logging_steps=500)
    assert not _log(callback)


@pytest.mark.parametrize(
    "settings, calls",
    [
        ({}, 4),
        ({"num_train_epochs": 2.5}, 3),
        ({"eval_strategy": "steps", "eval_steps": 3}, 6),
        ({"eval_strategy": "steps", "eval_steps": 3, "gradient_accumulation_steps": 2}, 3),
        ({"eval_strategy": "steps", "eval_steps": 0.25, "max_steps": 8}, 4),
        ({"eval_strategy": "steps", "eval_steps": 2, "eval_delay": 5}, 6),
        ({"eval_delay": 2}, 3),
        ({"eval_strategy": "no", "max_steps": 6}, 2),
    ],
)
def test_the_number_of_calls_is_known_at_the_start(
    network: arc.Network, tmp_path: Path, settings: dict[str, Any], calls: int
) -> None:
    callback = ARCCallback(network=network)
    train(tmp_path, callback, **settings)
    assert callback.controller.settings.total_calls == calls == len(_log(callback))


def test_a_total_in_epochs_is_told_where_evaluations_count(network: arc.Network, tmp_path: Path) -> None:
    """Else the LR is at its lowest after four evaluations of sixteen."""
    callback = ARCCallback(network=network, total_calls=4)
    with pytest.warns(UserWarning, match="total_calls=4, but this training calls the controller 16 times"):
        train(tmp_path, callback, eval_strategy="steps", eval_steps=1)


def test_a_decision_is_said_in_the_trainers_count(
    answering: Answering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for settings in {}, {"eval_strategy": "steps", "eval_steps": 4}, {"eval_strategy": "no"}:
        callback = ARCCallback(network=answering(arc.Action.RAISE), policy="paper", period=2)
        train(tmp_path, callback, **settings)
    lines = [line.split("  ")[0] for line in capsys.readouterr().err.splitlines() if " lr " in line]
    assert lines == ["epoch 2", "epoch 4", "step 8", "step 16", "epoch 2", "epoch 4"]
