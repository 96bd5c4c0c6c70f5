"""One run of a kind under a controller, and what the controller did to it."""

from __future__ import annotations

import hashlib
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import arc
from arc.decision import RecoveryWarning
from benchmarks.harm import more_kinds  # noqa: F401 (registers its kinds)
from benchmarks.harm.kinds import KINDS
from benchmarks.harm.training import Training

ARMS = ("recommended", "guards only", "none")
"""ARC as recommended, the same with ``rollback=False``, and no controller."""
FLOOR = 1e-2
"""An LR is at its floor when ARC brought it below this share of the healthy one that it began with."""


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        value: what the model is worth at the end; lower is better.
        initial, restored: how often the initial state came back, and any state.
        floor: whether the LR reached its floor by other decisions than the final anneal.
        warned: Python warnings of ARC.
        decisions: the reasons of what was restored or lowered by a guard, for a reader.
    """

    kind: str
    seed: int
    arm: str
    value: float
    initial: int
    restored: int
    floor: bool
    warned: int
    seconds: float
    decisions: tuple[str, ...] = ()


def controller(training: Training, arm: str) -> arc.Controller | None:
    """The controller of an arm, as a user would make it."""
    if arm == "none":
        return None
    settings: dict[str, Any] = {"total_epochs": training.epochs, "model": training.model, **training.settings}
    rollback = "auto" if arm == "recommended" else False
    return arc.Controller(training.optimizer, rollback=rollback, **settings)


def run(kind: str, seed: int, arm: str) -> Outcome:
    """Train a kind to the end; the same data, weights and order in every arm."""
    torch.manual_seed(seed)
    began = time.perf_counter()
    training = KINDS[kind](seed)
    driver = controller(training, arm)
    torch.manual_seed(seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = training.run(seed, driver)
    decisions = [] if driver is None else driver.decisions
    notable = [d for d in decisions if d.source not in ("network", "anneal")]
    return Outcome(
        kind=kind,
        seed=seed,
        arm=arm,
        value=value,
        initial=sum(d.restored == 0 for d in decisions),
        restored=sum(d.restored is not None for d in decisions),
        floor=reached_floor(decisions),
        warned=sum(issubclass(w.category, RecoveryWarning) for w in caught),
        seconds=time.perf_counter() - began,
        decisions=tuple(f"{d.epoch}: {d.reason}" for d in notable),
    )


def reached_floor(decisions: list[arc.Decision]) -> bool:
    """Whether the moves but for the final anneal multiply to less than :data:`FLOOR` at any time."""
    factor = 1.0
    for decision in decisions:
        if decision.source != "anneal":
            factor *= decision.multiplier
        if factor < FLOOR:
            return True
    return False


def digest() -> str:
    """A hash of the code that runs depend on: results of other code are other results."""
    root = Path(arc.__file__).parent
    files = [*root.rglob("*.py"), *root.rglob("*.safetensors"), *Path(__file__).parent.glob("*.py")]
    whole = hashlib.sha256()
    for file in sorted(files):
        whole.update(file.read_bytes())
    return whole.hexdigest()[:12]


def plain(outcome: Outcome) -> dict[str, Any]:
    """For JSON."""
    return asdict(outcome)
