"""LR by step sampling: the initial LR, from a few steps with each of many LRs.

Source: Learning rate optimization through step sampling (ICLR 2022 submission). :func:`analyse` and
:func:`refine` need no network: losses in, LRs out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from arc.methods.method import Method, State, require
from arc.methods.run import Cost, Run, set_lr
from arc.methods.schedule import Constant
from arc.methods.torch_run import LossFunction, TorchRun, refuse_one_pass, sample

STEPS: Final = 20
"""Training steps of one trial (section 2)."""
LR_RANGE: Final = (1e-7, 10.0)
"""Lowest and highest candidate."""
GRID: Final = 0.5
"""Decades between the candidates of the first grid (section 3.3)."""
THRESHOLD: Final = 0.25
"""Decades between neighbours at which a point of interest counts as known. Section 3.3 says "a
specified threshold"; ours is one halving of the grid, because the loss of 20 steps resolves no more."""
POINTS: Final = 200
"""Points at which the interpolated curve is examined."""

Selection = Literal["midpoint", "half", "steepest"]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Points:
    """The points of interest of a curve, as LRs (sections 3.1 and 3.2).

    Attributes:
        min_lr: the knee, where the loss begins to fall.
        max_lr: the LR of the lowest loss.
        midpoint: the log-midpoint of the two; method 1, the best in the paper.
        half: the LR that reaches half of the possible loss reduction; method 2.
        steepest: the LR where the loss falls fastest over log LR; method 3.
    """

    min_lr: float
    max_lr: float
    midpoint: float
    half: float
    steepest: float


@dataclass(frozen=True, kw_only=True)
class Suggestion(Points):
    """What :func:`suggest` found.

    Attributes:
        lr: the selected LR.
        curve: validation loss by LR, ascending; not finite where the trial diverged.
        untrained: the validation loss before any step.
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

    Raises:
        ValueError: an impossible setting, or no candidate that lowers the validation loss.
        ImportError: without scipy (``pip install arc-lr[methods]``).
    """
    refuse_one_pass(train_batches)
    batches = sample(train_batches, steps) if steps >= 1 else []
    run = TorchRun(model, optimizer, loss_fn, batches, val_fn)
    return search(run, selection=selection, steps=steps, lr_range=lr_range, threshold=threshold)


def search(
    run: Run,
    *,
    selection: Selection = "midpoint",
    steps: int = STEPS,
    lr_range: tuple[float, float] = LR_RANGE,
    threshold: float = THRESHOLD,
) -> Suggestion:
    """As :func:`suggest`, on a :class:`~arc.methods.run.Run`, which is left as it was."""
    require(
        selection in ("midpoint", "half", "steepest"), "selection", selection, "midpoint, half or steepest"
    )
    require(steps >= 1, "steps", steps, "an integer >= 1")
    before = replace(run.cost)
    start = run.snapshot()
    untrained = run.validate()

    def trial(lr: float) -> float:
        run.restore(start)
        set_lr(run.optimizer, lr)
        losses = run.train(steps)
        return run.validate() if np.isfinite(losses).all() else math.inf

    try:
        curve = refine(trial, untrained, lr_range=lr_range, threshold=threshold)
    finally:
        run.restore(start)
    points = analyse(curve, untrained)
    lr = getattr(points, selection)
    return Suggestion(lr=lr, curve=curve, untrained=untrained, cost=run.cost - before, **asdict(points))


@dataclass
class _State(State):
    curve: dict[float, float] = field(default_factory=dict)
    lr: float | None = None


@dataclass(kw_only=True)
class StepSampling(Method):
    """Search the initial LR, then let another method drive the run from it.

    Attributes:
        then: what follows; a constant LR by default.
        selection, steps, lr_range, threshold: as in :func:`suggest`.
    """

    then: Method = field(default_factory=Constant)
    selection: Selection = "midpoint"
    steps: int = STEPS
    lr_range: tuple[float, float] = LR_RANGE
    threshold: float = THRESHOLD
    state: _State = field(default_factory=_State, init=False, repr=False)

    def start(self, run: Run) -> None:
        """Search; its steps are charged to the run and undone."""
        found = search(
            run,
            selection=self.selection,
            steps=self.steps,
            lr_range=self.lr_range,
            threshold=self.threshold,
        )
        self.state.lr, self.state.curve = found.lr, found.curve
        set_lr(run.optimizer, found.lr)
        self.then.state.first_step, self.then.state.total_steps = run.step_count, self.state.total_steps
        self.then.start(run)

    def advance(self, run: Run, steps: int) -> list[float]:
        """What follows decides."""
        return self.then.advance(run, steps)

    def epoch_end(self, run: Run) -> None:
        """What follows decides."""
        self.then.epoch_end(run)

    def state_dict(self) -> dict[str, Any]:
        """The search's result, and the state of what follows."""
        return {**super().state_dict(), "then": self.then.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        values = dict(state_dict)
        self.then.load_state_dict(values.pop("then"))
        super().load_state_dict(values)


def refine(
    trial: Callable[[float], float],
    untrained: float,
    *,
    lr_range: tuple[float, float] = LR_RANGE,
    threshold: float = THRESHOLD,
) -> dict[float, float]:
    """Try a coarse grid of LRs, then the log-midpoints beside each point of interest (section 3.3).

    Points of interest lie on the interpolated curve. One that is a tried LR has two gaps beside it, one
    between two of them has one; gaps wider than ``threshold`` are halved.

    Args:
        trial: LR to validation loss; not finite where the trial diverged.
        untrained: the validation loss without training.
        lr_range: lowest and highest LR.
        threshold: decades between a point's neighbours at which it counts as known.

    Returns:
        validation loss by LR, ascending.
    """
    low, high = lr_range
    require(0 < low < high < math.inf, "lr_range", lr_range, "two ascending positive LRs")
    require(threshold > 0, "threshold", threshold, "a positive number of decades")
    start, end = math.log10(low), math.log10(high)
    grid = np.linspace(start, end, max(3, round((end - start) / GRID) + 1)).tolist()
    losses = {x: trial(10**x) for x in grid}
    while True:
        points = analyse({10**x: loss for x, loss in losses.items()}, untrained)
        known = np.array(sorted(losses))
        wanted: set[float] = set()
        for lr in (points.min_lr, points.max_lr, points.half, points.steepest):
            wanted.update(_beside(known, math.log10(lr), threshold))
        if not wanted:
            return {10**x: losses[x] for x in sorted(losses)}
        losses |= {x: trial(10**x) for x in sorted(wanted)}


def analyse(curve: Mapping[float, float], untrained: float) -> Points:
    """The points of interest on a curve of validation loss by LR.

    Curvature depends on units, and the paper names none. Ours: x is log10 LR, y the loss scaled to
    [0, 1] between its minimum and the untrained loss, interpolated by monotone cubics (PCHIP) on 200
    points. What diverged or ended above the untrained loss counts as 1, the worst. Equation 1 is
    garbled; the standard curvature y'' / (1 + y'^2)^(3/2) is meant. The knee is its minimum left of
    ``half`` (footnote 1).

    Raises:
        ValueError: fewer than three LRs, or none that lowers the loss.
    """
    require(len(curve) >= 3, "LRs", len(curve), "at least 3")
    x = np.log10(np.array(sorted(curve)))
    raw = np.array([curve[lr] for lr in sorted(curve)], dtype=np.float64)
    losses = np.where(np.isfinite(raw), raw, math.inf)
    best = float(losses.min())
    if not best < untrained < math.inf:
        raise ValueError(
            f"no LR from {10 ** x[0]:.3g} to {10 ** x[-1]:.3g} lowers the validation loss: "
            f"{untrained:.6g} untrained, {best:.6g} at best; try more steps or another lr_range"
        )
    y = np.minimum((losses - best) / (untrained - best), 1.0)
    grid = np.linspace(x[0], x[-1], POINTS)
    value, slope, bend = _interpolated(x, y, grid)

    max_x = float(x[losses.argmin()])
    left = grid <= max_x
    half_x = _first_crossing(grid[left], value[left], max_x)
    curvature = bend / (1 + slope**2) ** 1.5
    min_x = _lowest(grid, curvature, grid <= half_x)
    steepest_x = _lowest(grid, slope, left)
    mid_x = (min_x + max_x) / 2
    return Points(
        min_lr=10**min_x, max_lr=10**max_x, midpoint=10**mid_x, half=10**half_x, steepest=10**steepest_x
    )


def _interpolated(x: Array, y: Array, grid: Array) -> tuple[Array, Array, Array]:
    try:
        from scipy.interpolate import PchipInterpolator
    except ImportError as error:
        raise ImportError("LR step sampling needs scipy: pip install arc-lr[methods]") from error
    curve = PchipInterpolator(x, y)
    return curve(grid), curve(grid, 1), curve(grid, 2)


def _lowest(grid: Array, values: Array, where: npt.NDArray[np.bool_]) -> float:
    """The first x at which ``values`` is lowest among ``where``; the left end if that is empty."""
    return float(grid[where][values[where].argmin()]) if where.any() else float(grid[0])


def _first_crossing(grid: Array, values: Array, end: float) -> float:
    """The first x at which the curve is down to one half."""
    below = np.flatnonzero(values <= 0.5)
    return float(grid[below[0]]) if len(below) else end


def _beside(known: Array, x: float, threshold: float) -> list[float]:
    """The midpoints between ``x``'s neighbours and itself, where they are further apart than allowed."""
    at = int(np.searchsorted(known, x - 1e-9))
    on_known = at < len(known) and abs(known[at] - x) < 1e-9
    gaps = [at - 1, at] if on_known else [at - 1]  # gap i lies between known[i] and known[i + 1]
    return [
        float(known[i] + known[i + 1]) / 2
        for i in gaps
        if 0 <= i < len(known) - 1 and known[i + 1] - known[i] > threshold + 1e-9
    ]
