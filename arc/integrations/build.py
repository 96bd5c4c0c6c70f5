"""What the adapters share: how they make the controller, find the optimizers, and log and say decisions."""

from __future__ import annotations

import difflib
import inspect
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from torch import nn

from arc.controller import Controller
from arc.decision import Decision
from arc.notices import say, wanted
from arc.policy import default as policies

TOTAL: Final = ("total_calls", "total_epochs")
"""The setting that says how many calls a training has, and its old name."""


class Adapter:
    """A callback that makes its controller when the training begins, and not before.

    Attributes:
        begins: the framework's call that begins a training.
    """

    begins: ClassVar[str]
    _made: Controller | None = None

    @property
    def controller(self) -> Controller:
        """It has the decisions, ``plot()`` and the rest (AttributeError before the training has begun)."""
        if self._made is None:
            raise AttributeError(
                f"{type(self).__name__} has no controller yet: it makes one when {self.begins} begins; "
                "ask for callback.controller after that"
            )
        return self._made


def build(
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
    path: str | Path | None,
    settings: dict[str, Any],
    *,
    scheduler: Any = None,
    model: nn.Module | None = None,
    calls: int | None = None,
) -> Controller:
    """A controller with the user's settings; what the framework knows where the user gave none.

    Args:
        optimizer: the framework's.
        path: a controller directory or a name on the hub, read unless the settings hold a network; None: the
            shipped one.
        settings: those of :class:`arc.Controller`.
        scheduler: the framework's.
        model: the framework's.
        calls: how often the framework will call the controller; None: not known.
    """
    wanted(settings.get("verbose"))  # refused now, used by announce
    chosen = {"scheduler": scheduler, "model": model, **settings, "verbose": False}
    given = next((name for name in TOTAL if name in settings), None)
    if given is None and policies.get(chosen.get("policy", "default")) is not policies.PAPER:
        chosen[TOTAL[0]] = calls  # the paper's policy knows no end
    asked = None if given is None else settings[given]
    if asked is not None and calls is not None and asked < calls:
        warnings.warn(
            f"got {given}={asked}, but this training calls the controller {calls} times (after every "
            f"evaluation, or every epoch): leave {given} out, the callback knows it",
            stacklevel=4,
        )
    if path is None or chosen.get("network") is not None:
        return Controller(optimizer, **chosen)
    return Controller.from_pretrained(path, optimizer, **chosen)


def allowed(adapter: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, each of which :class:`arc.Controller` has (TypeError with the remedy)."""
    theirs = list(inspect.signature(Controller).parameters)[1:]  # but the optimizer
    names = [*inspect.signature(type(adapter)).parameters, *theirs]
    for name in settings:
        if name not in theirs:
            near = difflib.get_close_matches(name, names, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(theirs)}"
            raise TypeError(f"{type(adapter).__name__} got {name}={settings[name]!r:.40}: {remedy}")
    return settings


def chosen(optimizers: Sequence[Any], index: int | Sequence[int] | None) -> list[Any]:
    """The optimizers that are driven; with an index of None there must be a single one (ValueError)."""
    if index is None:
        if len(optimizers) != 1:
            raise ValueError(
                f"got {len(optimizers)} optimizers, say which one: optimizer=0, ..., or a list of those "
                "that move together"
            )
        index = 0
    asked = [index] if isinstance(index, int) else list(index)
    if not all(0 <= i < len(optimizers) for i in asked):
        count = len(optimizers)
        raise ValueError(f"got optimizer={index!r}, need 0 to {count - 1}: the training has {count}")
    return [optimizers[i] for i in asked]


def announce(decision: Decision | None, settings: dict[str, Any], where: str) -> None:
    """Say a decision in one line, counted as the framework counts; ``verbose=False`` in the settings: not."""
    if decision is not None and wanted(settings.get("verbose", True)):
        say(decision.line(where))


def logged(decision: Decision | None, mark: str) -> dict[str, float]:
    """What a framework's logger gets of a decision: its factor, and the distance where it is known."""
    if decision is None:
        return {}
    known = {} if decision.distance is None else {f"arc{mark}distance": decision.distance}
    return {f"arc{mark}factor": decision.multiplier, **known}


def lightning_lrs(optimizers: Sequence[Any], driven: Sequence[Any]) -> dict[str, float]:
    """LRs by Lightning's names: lr-Adam, lr-Adam-1 of the second Adam, lr-Adam/pg1 of several groups."""
    found: dict[str, float] = {}
    kinds: list[str] = []
    for optimizer in optimizers:
        kind, groups = type(optimizer).__name__, optimizer.param_groups
        name = f"lr-{kind}" + (f"-{kinds.count(kind)}" if kind in kinds else "")
        kinds.append(kind)
        for i, group in enumerate(groups if optimizer in driven else (), start=1):
            part = group.get("name", f"pg{i}" if len(groups) > 1 else "")
            found[f"{name}/{part}" if part else name] = float(group["lr"])
    return found


def adopted(schedulers: Any, path: str | Path | None, settings: dict[str, Any]) -> Controller | None:
    """The controller of an :class:`arc.Scheduler` among the framework's schedulers; None without one.

    The framework calls it; what is left to a callback is to record the training losses.

    Raises:
        ValueError: settings for the callback, where the scheduler has its own.
    """
    every = schedulers if isinstance(schedulers, list | tuple) else [schedulers]
    kept = (getattr(one, "controller", None) for one in every)
    found = next((one for one in kept if isinstance(one, Controller)), None)
    if found is None:
        return None
    if settings or path is not None:
        raise ValueError(
            f"got {', '.join(settings) or f'path={path}'} for the callback beside an arc.Scheduler, which "
            "holds the controller: give them to arc.Scheduler, and the callback none"
        )
    return found
