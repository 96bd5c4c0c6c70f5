"""One run: a kind, a seed and an arm; what became of it."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import torch

import arc
from benchmarks.harm import kinds
from benchmarks.harm.training import KINDS, Training

assert kinds.__all__  # importing them fills the registry

ARMS = ("arc", "guard", "unknown", "none")
"""ARC as recommended, ARC that guards the LR only (``rollback=False``), ARC that is not told how long the
training is, and no controller."""


def controlled(training: Training, arm: str) -> arc.Controller | None:
    """The controller of an arm: the only place where one is made."""
    if arm == "none":
        return None
    settings: dict[str, Any] = {"total_calls": None if arm == "unknown" else training.calls, "verbose": False}
    if training.schedulers:
        settings["scheduler"] = training.schedulers
    if arm == "guard":
        settings["rollback"] = False
    return arc.Controller(training.optimizer, **settings)


def restored(decision: arc.Decision) -> str:
    """What a decision brought back: "initial", "earlier" or nothing ("")."""
    if decision.restored is None:
        return ""
    return "initial" if decision.restored == 0 else "earlier"


def by_network(decision: arc.Decision) -> bool:
    """Whether the network decided, and no rule around it."""
    return decision.source == "network"


def _anneals(decision: arc.Decision) -> bool:
    return decision.source == "anneal"


def run(name: str, seed: int, arm: str) -> dict[str, Any]:
    """Train one kind with one seed: plain numbers, ready for JSON; a loss that is not finite is None."""
    torch.manual_seed(1000 * seed + 7)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        training = KINDS[name]()
    started = time.process_time()
    initial = training.final()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with torch.random.fork_rng(devices=[]):  # the arms draw the same numbers whatever a controller draws
            controller = controlled(training, arm)
        error = _train(training, controller)
        final = training.final()
    decisions = [] if controller is None else controller.decisions
    return {
        "kind": name,
        "seed": seed,
        "arm": arm,
        "initial": _finite(initial),
        "final": None if error else _finite(final),
        "positive": training.positive,
        "error": error,
        "warnings": len({str(w.message) for w in caught}),
        "seconds": round(time.process_time() - started, 4),
        **_moves(decisions),
        "decisions": [[d.epoch, by_network(d), d.multiplier, d.reason] for d in decisions],
    }


def _train(training: Training, controller: arc.Controller | None) -> str:
    """The whole training; what it raised, in words."""
    try:
        for call in range(1, training.calls + 1):
            training.begin(call)
            for batch in training.batches(call):
                loss = training.train(batch, call)
                if loss is None or controller is None:
                    continue
                losses = loss if isinstance(loss, list) else [loss]
                for each in losses:
                    told = training.recorded(each, call)
                    for value in told if isinstance(told, list) else [told]:
                        controller.record(value)
            val_loss = training.validate(call)
            if controller is not None:
                controller.step(val_loss=val_loss)
            for scheduler in training.schedulers:
                scheduler.step()
    except Exception as error:  # a run that raises is a result
        return f"{type(error).__name__}: {error}"[:300]
    return ""


def _moves(decisions: list[arc.Decision]) -> dict[str, Any]:
    """Restores, and how far the controller brought the LR down beside what the run was started with.

    The final anneal and the user's own schedule do not count: ``ratio`` is the least product of the
    multipliers of all other decisions, ``rescued`` the least one that a rule around the network left.
    """
    back = [restored(d) for d in decisions]
    product = lowest = rescued = 1.0
    for decision in decisions:
        if _anneals(decision):
            continue
        product *= decision.multiplier
        lowest = min(lowest, product)
        if not by_network(decision):
            rescued = min(rescued, product)
    lrs = [lr for d in decisions for lr in d.lr_after if lr > 0]
    return {
        "restores": sum(map(bool, back)),
        "initials": back.count("initial"),
        "ratio": lowest,
        "rescued": rescued,
        "lowest_lr": min(lrs, default=None),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
