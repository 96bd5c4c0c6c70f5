"""What an adapter says when asked for its controller or a figure before the training."""

import importlib

import pytest
import torch
from torch import nn

import arc


@pytest.mark.parametrize(
    ("framework", "begins"),
    [
        ("keras", r"model\.fit\(\)"),
        ("lightning", r"trainer\.fit\(\)"),
        ("transformers", r"trainer\.train\(\)"),
    ],
)
def test_a_callback_says_when_it_makes_its_controller(framework: str, begins: str) -> None:
    callback = importlib.import_module(f"arc.integrations.{framework}").ARCCallback()
    with pytest.raises(AttributeError, match=rf"no controller yet: it makes one when {begins} begins"):
        callback.controller.plot()
    assert getattr(callback, "controller", None) is None  # looking is no error


def test_a_figure_without_a_call_says_what_a_call_is() -> None:
    scheduler = arc.Scheduler(torch.optim.SGD(nn.Linear(1, 1).parameters(), 0.1))
    with pytest.raises(ValueError, match=r"before the first call of step\(\).*an evaluation or epoch"):
        scheduler.controller.plot()
