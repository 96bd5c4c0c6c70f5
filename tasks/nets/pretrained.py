"""Weights that are trained once per machine and kept in the data cache."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tasks.base import Source, Splits, Task
from tasks.data.cache import cached
from tasks.loop import TaskRun


def load_pretrained(model: nn.Module, name: str, version: int, train: Callable[[], nn.Module]) -> None:
    """Fill ``model`` with the weights that ``train()`` returned when it was first called under this name.

    Args:
        model: takes the weights; one on the meta device has no place for them and is left as it is.
        name: of the weights with everything that they depend on, as a file name.
        version: raise it with every change of ``train``.
        train: returns a trained module of the same architecture; deterministic, with seeds of its own.
    """
    if next(model.parameters()).is_meta:
        return
    found = cached(name, version, lambda: Splits(dict(train().state_dict()), {}, {}))
    model.load_state_dict(found.train)


def trained(task: Task, epochs: int, optimizer: str = "adamw") -> nn.Module:
    """The model of ``task`` after some epochs on its embedded data, with an LR of 3e-3 and seed 0."""
    run = TaskRun(task, task.load(Source()), optimizer=optimizer, lr=3e-3, seed=0)
    run.train(epochs * run.steps_per_epoch)
    return run.model
