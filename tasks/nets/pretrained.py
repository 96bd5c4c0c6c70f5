"""Weights that are trained once per machine and kept in the data cache."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tasks.base import Splits
from tasks.data.cache import cached


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
