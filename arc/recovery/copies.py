"""Copies of model and optimizer to go back to, in CPU memory or in files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from arc.optimizers.schedulers import LR_KEYS


class Snapshots:
    """Named copies of a model's and an optimizer's state.

    Args:
        model: parameters and buffers are copied.
        optimizer: its state is copied.
        directory: where files go (atomically replaced); None keeps the copies in CPU memory.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, directory: str | Path | None = None
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._directory = None if directory is None else Path(directory)
        if self._directory is not None:
            self._directory.mkdir(parents=True, exist_ok=True)
        self._kept: dict[str, Any] = {}

    def take(self, name: str) -> None:
        """Copy the present state under ``name``, in place of an older copy of that name."""
        state = {"model": self._model.state_dict(), "optimizer": self._optimizer.state_dict()}
        if self._directory is None:
            self._kept[name] = _copied(state)
            return
        partial = self._file(name).with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self._file(name))

    def keep_as(self, name: str, other: str) -> None:
        """Keep the copy ``name`` under a second name, whatever ``name`` becomes."""
        if self._directory is None:
            self._kept[other] = self._kept[name]  # copies are replaced, never changed
            return
        partial = self._file(other).with_suffix(".partial")
        shutil.copyfile(self._file(name), partial)
        partial.replace(self._file(other))

    def restore(self, name: str) -> None:
        """Put the copy back into model and optimizer, but for the LRs; the copy stays valid."""
        state = self._read(name)
        lrs = [{k: g[k] for k in LR_KEYS if k in g} for g in self._optimizer.param_groups]
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        for group, kept in zip(self._optimizer.param_groups, lrs, strict=True):
            group.update(kept)  # the same tensors, where LRs are tensors

    def drop(self, name: str) -> None:
        """Forget a copy; nothing happens if there is none."""
        self._kept.pop(name, None)
        if self._directory is not None:
            self._file(name).unlink(missing_ok=True)

    def distance(self, name: str) -> float:
        """Norm of the parameters' change since the copy, relative to their norm in the copy."""
        # only read here, so the copy in memory needs no copy of its own
        before = (self._kept[name] if self._directory is None else self._read(name))["model"]
        moved = total = 0.0
        with torch.no_grad():
            for key, parameter in self._model.named_parameters():
                now, then = parameter.detach().cpu().double(), before[key].double()
                moved += float((now - then).square().sum())
                total += float(then.square().sum())
        return float((moved / total) ** 0.5) if total else float("inf")

    def movements(self, name: str) -> dict[str, float]:
        """Norm of each trained parameter's change since the copy; those that the copy lacks are left out."""
        before = (self._kept[name] if self._directory is None else self._read(name))["model"]
        found: dict[str, float] = {}
        with torch.no_grad():
            for key, parameter in self._model.named_parameters():
                if parameter.requires_grad and key in before and before[key].shape == parameter.shape:
                    change = parameter.detach().cpu().float() - before[key].float()
                    found[key] = float(torch.linalg.vector_norm(change))
        return found

    def state_dict(self) -> dict[str, Any]:
        """The copies in memory; files stay where they are."""
        return dict(self._kept)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self._kept = dict(state)

    def _file(self, name: str) -> Path:
        assert self._directory is not None
        rank = os.environ.get("RANK", "0")
        return self._directory / f"{name}-rank{rank}.pt"

    def _read(self, name: str) -> dict[str, Any]:
        if self._directory is None:
            kept: dict[str, Any] = _copied(self._kept[name])
            return kept
        loaded: dict[str, Any] = torch.load(self._file(name), map_location="cpu", weights_only=True)
        return loaded


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(v) for v in value)
    return value
