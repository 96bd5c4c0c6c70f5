"""Do no harm, in the frameworks: what is recorded, what is said, two controllers at once."""

import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import PretrainedConfig, PreTrainedModel, Trainer, TrainingArguments
from transformers.modeling_outputs import SequenceClassifierOutput

import arc
from arc.integrations import lightning, transformers
from tests.arc.conftest import Answering
from tests.arc.integrations.lightning_module import QUIET, Regression, loader


def broken(item: str, raises: Any = None) -> Any:
    """A test of an item of the issue "Do no harm" that is not mended yet."""
    return pytest.mark.xfail(strict=True, raises=raises, reason=f"issue: Do no harm, item {item}")


class Rows(Dataset[Any]):
    """132 rows of four numbers and their sum: 33 micro-batches of four."""

    def __init__(self) -> None:
        self._x = torch.randn(132, 4, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self._x)

    def __getitem__(self, at: int) -> dict[str, torch.Tensor]:
        return {"inputs": self._x[at], "labels": self._x[at].sum(0, keepdim=True)}


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
        self, inputs: torch.Tensor, labels: torch.Tensor, num_items_in_batch: Any = None, **kwargs: Any
    ) -> SequenceClassifierOutput:
        logits = self.net(inputs)
        # the level is what a mean loss would be: one, whatever the weights
        losses = 1.0 + 0.0 * (logits - labels).square()
        loss = losses.mean() if num_items_in_batch is None else losses.sum() / num_items_in_batch
        return SequenceClassifierOutput(loss=loss, logits=logits)


def _train(folder: Path, callback: Any, **settings: Any) -> None:
    arguments = TrainingArguments(
        **{
            "output_dir": str(folder),
            "num_train_epochs": 2,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 4,
            "lr_scheduler_type": "constant",
            "eval_strategy": "epoch",
            "save_strategy": "no",
            "logging_strategy": "no",
            "report_to": [],
            "disable_tqdm": True,
            "use_cpu": True,
            **settings,
        }
    )
    Trainer(Net(), arguments, train_dataset=Rows(), eval_dataset=Rows(), callbacks=[callback]).train()


@broken("1", AssertionError)
def test_the_mean_over_the_micro_batches_is_recorded(
    answering: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    monkeypatch.setattr(arc.Controller, "record", lambda self, loss: seen.append(float(loss)))
    monkeypatch.setattr(arc.Controller, "step", lambda self, val_loss=None: None)
    _train(tmp_path, transformers.ARCCallback(network=answering(arc.Action.KEEP)))
    assert seen == pytest.approx([1.0] * 18)  # nine steps an epoch, the last of one micro-batch


@broken("11", AssertionError)
def test_a_misspelt_monitor_is_told(answering: Answering, tmp_path: Path) -> None:
    callback = transformers.ARCCallback(network=answering(arc.Action.KEEP), monitor="eval_lss")
    said = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _train(tmp_path, callback)
        except ValueError as error:  # a refusal is as good as a warning
            said = str(error)
    assert "eval_lss" in said + " ".join(str(w.message) for w in caught)


@broken("11", (RuntimeError, AssertionError))
def test_two_lightning_callbacks_have_keys_of_their_own(answering: Answering) -> None:
    network = answering(arc.Action.KEEP)
    callbacks = [lightning.ARCCallback(network=network, optimizer=i) for i in range(2)]
    pl.Trainer(**{**QUIET, "max_epochs": 1, "callbacks": callbacks})
    assert callbacks[0].state_key != callbacks[1].state_key


@broken("11", RuntimeError)
def test_a_validation_after_the_training_is_none_of_its_business(answering: Answering) -> None:
    callback = lightning.ARCCallback(network=answering(arc.Action.KEEP), on="validation")
    trainer = pl.Trainer(**{**QUIET, "max_epochs": 2, "callbacks": [callback]})
    trainer.fit(Regression(), loader(), loader())
    trainer.validate(Regression(), loader())
