"""LR by step sampling: the initial LR, from a few steps with each of many LRs.

Source: Learning rate optimization through step sampling (ICLR 2022 submission). What happens on the
curve of loss over LR needs no network and lives in :mod:`arc.methods.loss_curve`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final, Literal

import numpy as np
import torch
from torch import Tensor, nn

from arc.history.ranks import mean_over_ranks
from arc.methods.loss_curve import LR_RANGE, THRESHOLD, Points, analyse, refine
from arc.methods.method import require
from arc.methods.random_state import refuse_one_pass, sample
from arc.methods.run import Cost, Run, set_lr
from arc.methods.torch_run import LossFunction, TorchRun
from arc.optimizers import learning_rates
from arc.settings import Settings

STEPS: Final = 20
"""Training steps of one trial (section 2)."""
UNTRAINED_FACTOR: Final = 1e-9
"""The untrained loss is that of a trial at so small a part of the lowest LR that no parameter moves: after
as many steps, because BatchNorm's statistics do move and shift the whole curve (section 3.2.2 takes "a
learning rate of 0")."""

Selection = Literal["midpoint", "half", "steepest"]


@dataclass(frozen=True, kw_only=True)
class Suggestion(Points):
    """What :func:`suggest` found.

    Attributes:
        lr: the selected LR.
        curve: validation loss by LR, ascending; not finite where the trial diverged.
        untrained: the validation loss of a trial that moves no parameter.
        cost: what the search used.
    """

    lr: float
    curve: dict[float, float]
    untrained: float
    cost: Cost


def suggest(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_fn: LossFunction,
    train_batches: Iterable[Any],
    val_fn: Callable[[], float | Tensor],
    *,
    selection: Selection = "midpoint",
    steps: int = STEPS,
    lr_range: tuple[float, float] = LR_RANGE,
    threshold: float = THRESHOLD,
    over_ranks: Any = False,
) -> Suggestion:
    """Suggest an initial LR. Model, optimizer and random states are left as they were.

    Args:
        model: as it will be trained.
        optimizer: its first group's LR is searched; the other groups keep their ratios to it.
        loss_fn: ``loss_fn(model, batch) -> scalar tensor``.
        train_batches: re-iterable; every trial sees the same first ``steps`` batches.
        val_fn: ``val_fn() -> float``, the validation loss.
        selection: which of the points of interest becomes ``lr``.
        steps: training steps of one trial.
        lr_range: lowest and highest candidate.
        threshold: decades between neighbours at which a point counts as known.
        over_ranks: whether all ranks of a distributed run search together: each on its own data, the
            validation losses averaged, so that all of them find one LR. Every rank has to take part. True,
            or the process group of the ranks that train together.

    Raises:
        TypeError: no model, optimizer, function or batches where one is needed.
        ValueError: an impossible setting, or no candidate that lowers the validation loss.
        ImportError: without scipy (``pip install 'arc-lr[methods]'``).
    """
    for name, value, kind, need in (
        ("model", model, nn.Module, "a torch module"),
        ("loss_fn", loss_fn, Callable, "loss_fn(model, batch) -> scalar tensor"),
        ("val_fn", val_fn, Callable, "val_fn() -> float"),
        ("train_batches", train_batches, Iterable, "a list of batches or a DataLoader"),
    ):
        if not isinstance(value, kind):  # type: ignore[arg-type]
            raise TypeError(f"got {name}={value!r:.80}, need {need}")
    learning_rates.read(optimizer)
    _check(selection, steps, lr_range, threshold)
    refuse_one_pass(train_batches)
    batches = sample(train_batches, steps, seed=0)
    run = TorchRun(model, optimizer, loss_fn, batches, val_fn)
    return search(
        run,
        selection=selection,
        steps=steps,
        lr_range=lr_range,
        threshold=threshold,
        agreed=partial(mean_over_ranks, group=None if over_ranks is True else over_ranks)
        if over_ranks
        else float,
    )


def search(
    run: Run,
    *,
    selection: Selection = "midpoint",
    steps: int = STEPS,
    lr_range: tuple[float, float] = LR_RANGE,
    threshold: float = THRESHOLD,
    agreed: Callable[[float], float] = float,
) -> Suggestion:
    """As :func:`suggest`, on a :class:`~arc.methods.run.Run`, which is left as it was.

    Args:
        agreed: what counts of a trial's validation loss.
    """
    _check(selection, steps, lr_range, threshold)
    before = replace(run.cost)
    start = run.snapshot()

    def trial(lr: float) -> float:
        run.restore(start)
        set_lr(run.optimizer, lr)
        losses = run.train(steps)
        return agreed(run.validate() if np.isfinite(losses).all() else math.inf)

    try:
        untrained = trial(UNTRAINED_FACTOR * lr_range[0])
        curve = refine(trial, untrained, lr_range=lr_range, threshold=threshold)
    finally:
        run.restore(start)
    points = analyse(curve, untrained)
    lr = getattr(points, selection)
    return Suggestion(lr=lr, curve=curve, untrained=untrained, cost=run.cost - before, **asdict(points))


def set_lr0(
    lr0: Any,
    optimizers: Sequence[torch.optim.Optimizer],
    settings: Settings,
    given: dict[str, Any],
    process_group: Any = None,
) -> Suggestion:
    """Search the initial LR and set it; ``given`` holds what :func:`suggest` needs.

    Raises:
        ValueError: ``lr0`` is not ``auto``, something is missing, there are several optimizers, or the mode
            is ``advise``.
    """
    if lr0 != "auto":
        raise ValueError(f"got lr0={lr0!r}, need 'auto' (an LR itself goes into the optimizer)")
    if settings.mode == "advise":
        raise ValueError("got lr0='auto' with mode='advise', which touches nothing")
    if len(optimizers) > 1:
        raise ValueError(
            f"got lr0='auto' with {len(optimizers)} optimizers, the search steps one: search with each by "
            "arc.suggest_lr before, or give the LRs"
        )
    (optimizer,) = optimizers
    for name, value in given.items():
        if value is None:
            raise ValueError(
                f"got {name}=None with lr0='auto', the search needs model, loss_fn, train_batches, val_fn"
            )
    low, high = settings.bounds
    found = suggest(optimizer=optimizer, over_ranks=process_group or True, **given)
    set_lr(optimizer, min(max(found.lr, low), high))
    return found


def _check(selection: Any, steps: Any, lr_range: Any, threshold: Any) -> None:
    names = ("midpoint", "half", "steepest")
    require(isinstance(selection, str) and selection in names, "selection", selection, ", ".join(names))
    require(isinstance(steps, int) and steps >= 1, "steps", steps, "an integer >= 1")
    pair = isinstance(lr_range, tuple | list) and len(lr_range) == 2 and all(map(_is_real, lr_range))
    ascending = pair and 0 < lr_range[0] < lr_range[1] < math.inf
    require(ascending, "lr_range", lr_range, "two ascending positive LRs")
    require(_is_real(threshold) and 0 < threshold < math.inf, "threshold", threshold, "decades > 0")


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
