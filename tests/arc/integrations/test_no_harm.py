"""Do no harm, in the frameworks: what is recorded, what is said, two controllers at once."""

import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from accelerate.optimizer import AcceleratedOptimizer
from torch import nn
from torch.utils.data import Dataset
from transformers import PretrainedConfig, PreTrainedModel, Trainer
from transformers.modeling_outputs import SequenceClassifierOutput

import arc
from arc.integrations import lightning, transformers
from tests.arc.conftest import Answering
from tests.arc.integrations.lightning_module import QUIET, Regression, loader
from tests.arc.integrations.trainer import arguments


class Rows(Dataset[Any]):
    """132 rows of four numbers and their sum: 33 micro-batches of four. The loss is ``level``."""

    def __init__(self, level: float = 1.0) -> None:
        self._x = torch.randn(132, 4, generator=torch.Generator().manual_seed(0))
        self._level = level

    def __len__(self) -> int:
        return len(self._x)

    def __getitem__(self, at: int) -> dict[str, torch.Tensor]:
        labels = self._x[at].sum(0, keepdim=True)
        return {"inputs": self._x[at], "labels": labels, "level": torch.tensor([self._level])}


class Net(PreTrainedModel):
    """A loss whose scale depends on the group, as that of language models does."""

    config_class = PretrainedConfig

    def __init__(self) -> None:
        super().__init__(PretrainedConfig())
        self.net = nn.Linear(4, 1)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """All alike."""

    def forward(
        self,
        inputs: torch.Tensor,
        labels: torch.Tensor,
        level: torch.Tensor,
        num_items_in_batch: Any = None,
        **kwargs: Any,
    ) -> SequenceClassifierOutput:
        logits = self.net(inputs)
        losses = level + 0.0 * (logits - labels).square()  # whatever the weights
        loss = losses.mean() if num_items_in_batch is None else losses.sum() / num_items_in_batch
        return SequenceClassifierOutput(loss=loss, logits=logits)


def _train(
    folder: Path,
    callback: Any,
    sets: tuple[str, ...] = (),
    kind: type[Trainer] = Trainer,
    **settings: Any,
) -> Trainer:
    sizes = {"num_train_epochs": 2, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 4}
    asked = arguments(folder, **{**sizes, **settings})
    measured: Any = {name: Rows(1.0 + 2 * i) for i, name in enumerate(sets)} or Rows()
    trainer = kind(Net(), asked, train_dataset=Rows(), eval_dataset=measured, callbacks=[callback])
    trainer.train()
    return trainer


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What any controller is given to record."""
    seen: list[float] = []
    monkeypatch.setattr(arc.Controller, "record", lambda self, loss: seen.append(float(loss)))
    monkeypatch.setattr(arc.Controller, "step", lambda self, val_loss=None, steps=None: None)
    return seen


def test_the_mean_over_the_micro_batches_is_recorded(
    answering: Answering, tmp_path: Path, recorded: list[float]
) -> None:
    _train(tmp_path, transformers.ARCCallback(network=answering(arc.Action.KEEP)))
    assert recorded == pytest.approx([1.0] * 18)  # nine steps an epoch, the last of one micro-batch


def test_the_loss_is_what_the_trainer_made_of_it(
    answering: Answering, tmp_path: Path, recorded: list[float]
) -> None:
    """With several processes it multiplies the model's loss in place."""
    _train(tmp_path, transformers.ARCCallback(network=answering(arc.Action.KEEP)), kind=Scaling)
    assert recorded == pytest.approx([2.0] * 18)


class Scaling(Trainer):
    """Scales as the Trainer does for ``average_tokens_across_devices``."""

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        loss = super().compute_loss(*args, **kwargs)
        if isinstance(loss, torch.Tensor):  # in the training, not in an evaluation
            loss *= 2
        return loss


def test_a_step_that_the_grad_scaler_skipped_is_left_out(
    answering: Answering, tmp_path: Path, recorded: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AcceleratedOptimizer, "step_was_skipped", property(lambda self: True))
    _train(tmp_path, transformers.ARCCallback(network=answering(arc.Action.KEEP)))
    assert recorded == []


def test_lightning_records_the_mean_over_its_batches(answering: Answering, recorded: list[float]) -> None:
    callback = lightning.ARCCallback(network=answering(arc.Action.KEEP))
    settings = {"max_epochs": 1, "accumulate_grad_batches": 3, "limit_val_batches": 0}
    trainer = pl.Trainer(**{**QUIET, **settings, "callbacks": [callback]})
    module, rows = Frozen(), [batch for (batch,) in loader()]
    trainer.fit(module, loader())
    losses = [float((module.net(x) - x.sum(1, keepdim=True)).square().mean().detach()) for x in rows]
    assert recorded == pytest.approx([sum(losses[:3]) / 3, losses[3]])


class Frozen(Regression):
    """Its LR is too small to move a weight."""

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=1e-12)


class Alternating(Regression):
    """Manual optimization of two optimizers: the second one steps in every other batch, then twice."""

    def __init__(self) -> None:
        super().__init__(manual=True)

    def training_step(self, batch: tuple[torch.Tensor], at: int) -> None:
        first, second = self.optimizers()  # type: ignore[misc]
        loss = self._loss(batch)
        self.manual_backward(loss)
        first.step()
        for _ in range(2 if at % 2 else 0):
            second.step()
        self.log("train_loss", loss)

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD([p], lr=0.01) for p in self.net.parameters()]


@pytest.mark.parametrize("optimizer, batches", [(0, 4), (1, 2)])
def test_a_loss_is_recorded_per_batch_in_which_the_optimizer_stepped(
    answering: Answering, recorded: list[float], optimizer: int, batches: int
) -> None:
    callback = lightning.ARCCallback(network=answering(arc.Action.KEEP), optimizer=optimizer)
    pl.Trainer(**{**QUIET, "max_epochs": 1, "callbacks": [callback]}).fit(Alternating(), loader(), loader())
    assert len(recorded) == batches


def test_a_misspelt_monitor_is_told(answering: Answering, tmp_path: Path) -> None:
    callback = transformers.ARCCallback(network=answering(arc.Action.KEEP), monitor="eval_lss")
    with pytest.raises(ValueError, match="got monitor='eval_lss', but the evaluation has eval_loss: write"):
        _train(tmp_path, callback)


@pytest.mark.parametrize("monitor", ["eval_c_loss", ["eval_a_loss", "eval_lss"]])
def test_a_misspelt_monitor_of_several_sets_is_told(
    answering: Answering, tmp_path: Path, monitor: Any
) -> None:
    callback = transformers.ARCCallback(network=answering(arc.Action.KEEP), monitor=monitor)
    with pytest.raises(ValueError, match="but the evaluation has eval_a_loss, eval_b_loss: write"):
        _train(tmp_path, callback, sets=("a", "b"))


@pytest.mark.parametrize(
    "monitor, expected", [("eval_loss", 1.0), ("eval_b_loss", 3.0), (["eval_a_loss", "eval_b_loss"], 2.0)]
)
def test_a_dictionary_of_evaluation_sets_is_followed(
    answering: Answering, tmp_path: Path, monitor: Any, expected: float
) -> None:
    callback = transformers.ARCCallback(network=answering(arc.Action.KEEP), monitor=monitor)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _train(tmp_path, callback, sets=("a", "b"))
    assert [entry.val_loss for entry in callback.controller._log] == pytest.approx([expected] * 2)
    said = [str(w.message) for w in caught if "ARC follows eval_a_loss" in str(w.message)]
    assert len(said) == (monitor == "eval_loss")


def test_two_lightning_callbacks_have_keys_of_their_own(answering: Answering) -> None:
    network = answering(arc.Action.KEEP)
    callbacks = [lightning.ARCCallback(network=network, optimizer=i) for i in range(2)]
    pl.Trainer(**{**QUIET, "max_epochs": 1, "callbacks": callbacks})
    assert callbacks[0].state_key != callbacks[1].state_key


def test_a_validation_after_the_training_is_none_of_its_business(answering: Answering) -> None:
    callback = lightning.ARCCallback(network=answering(arc.Action.KEEP), on="validation")
    trainer = pl.Trainer(**{**QUIET, "max_epochs": 2, "callbacks": [callback]})
    trainer.fit(Regression(), loader(), loader())
    trainer.validate(Regression(), loader())


@pytest.mark.parametrize("monitor", ["eval_accuracy", "val/F1", "val_acc", ["eval_loss", "eval_auc"]])
def test_a_score_is_not_taken_for_a_loss(monitor: Any) -> None:
    with pytest.raises(ValueError, match="higher is better"):
        transformers.ARCCallback(monitor=monitor)
    if isinstance(monitor, str):
        with pytest.raises(ValueError, match="need a loss"):
            lightning.ARCCallback(monitor=monitor)


def test_a_loss_may_have_any_other_name() -> None:
    for monitor in ("eval_loss", "val_accumulated", "perplexity", "val/mse", "error"):
        transformers.ARCCallback(monitor=monitor)
        lightning.ARCCallback(monitor=monitor)
