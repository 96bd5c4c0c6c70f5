"""How each method of the comparison is made for one run; what a method needs is imported on use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arc.methods.method import Method
from arc.methods.run import Run
from proxy_eval import schedules

Factory = Callable[..., Method]
"""``(run, steps, **options)`` to a method."""

AUTOLRS_RANGE = (1e-5, 10.0)
"""What AutoLRS searches: its user chooses the range, and has no reason to know better than this."""


def epochs(run: Run, steps: int) -> int:
    """Whole epochs in ``steps``, at least 1."""
    return max(1, steps // run.steps_per_epoch)


def arc_random(run: Run, steps: int, **options: Any) -> Method:
    """ARC without a network, in given frequencies."""
    from proxy_eval.others import RandomActions

    return RandomActions(**options)


def searched(then: Factory) -> Factory:
    """A factory of step sampling, and of what follows it."""

    def make(run: Run, steps: int) -> Method:
        from arc.methods.step_sampling import StepSampling

        return StepSampling(then=then(run, steps))

    return make


def autolr(run: Run, steps: int, *, scaled: bool = False) -> Method:
    """AutoLR as published, or with its superbatch scaled to the run."""
    from arc.methods.autolr import AutoLR

    ratio = steps / 78_200  # CIFAR-10, 200 epochs of 391 steps (section 3.2)
    return AutoLR(superbatch=max(2, round(100 * ratio))) if scaled else AutoLR()


def autolrs(run: Run, steps: int, *, scaled: bool = False) -> Method:
    """AutoLRS as published, or with its stages scaled to the run."""
    from arc.methods.autolrs import AutoLRS

    low, high = AUTOLRS_RANGE
    if not scaled:
        return AutoLRS(min_lr=low, max_lr=high)
    ratio = steps / 100_000  # the order of its Transformer run; stages long enough to be forecast
    stage = max(60, round(1000 * ratio))
    return AutoLRS(min_lr=low, max_lr=high, stage=stage, max_stage=8 * stage)


def autodrop(run: Run, steps: int, *, scaled: bool = False) -> Method:
    """AutoDrop as published, or with its delay scaled to the run."""
    from arc.methods.autodrop import AutoDrop

    ratio = epochs(run, steps) / 200  # its CIFAR runs (table 1)
    return AutoDrop(delay=max(1, round(20 * ratio))) if scaled else AutoDrop()


def line_search(run: Run, steps: int) -> Method:
    """SLS."""
    from arc.methods.line_search import LineSearch

    return LineSearch()


def one_cycle(run: Run, steps: int, **options: Any) -> Method:
    """One cycle after an LR range test."""
    from arc.methods.one_cycle import OneCycle

    return OneCycle(**options)


def schedule_free(run: Run, steps: int) -> Method:
    """Schedule-Free of the optimizer's family."""
    from proxy_eval.others import schedule_free

    return schedule_free(run)


def prodigy(run: Run, steps: int, *, cosine: bool = False) -> Method:
    """Prodigy, at its constant LR or with a cosine."""
    from proxy_eval.others import prodigy

    prodigy(run)
    return schedules.cosine(run, steps) if cosine else schedules.constant(run, steps)


def schedule_free_plus(run: Run, steps: int) -> Method:
    """ScheduleFree+."""
    from proxy_eval.others import schedule_free_plus

    return schedule_free_plus(run)


def nadamw(run: Run, steps: int, *, constants: str) -> Method:
    """NadamW at a named set of constants of :mod:`proxy_eval.others`."""
    from proxy_eval import others

    chosen: others.NadamWConstants = getattr(others, constants)
    others.nadamw(run, chosen)
    return schedules.warmup_cosine(run, steps, warmup=chosen.warm_up)


def muon(run: Run, steps: int) -> Method:
    """Muon and AdamW with warm-up-stable-decay."""
    from proxy_eval.others import muon

    muon(run)
    return schedules.warmup_stable_decay(run, steps)


def d_adaptation(run: Run, steps: int) -> Method:
    """D-Adaptation of the optimizer's family."""
    from proxy_eval.others import d_adaptation

    d_adaptation(run)
    return schedules.constant(run, steps)


def with_(make: Factory, **options: Any) -> Factory:
    """A factory with some of its options given."""
    return lambda run, steps, **more: make(run, steps, **options, **more)
