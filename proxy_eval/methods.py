"""The registry of everything that can drive a run: name to factory, imported on use.

A factory takes the run at its initial LR and the number of steps, and returns a
:class:`arc.methods.method.Method`; one that replaces the optimizer does so before it returns. To resume,
make the method anew, then ``load_state_dict``, ``run.restore`` and ``drive``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from arc.methods.method import Method
from arc.methods.run import Run
from proxy_eval import factories, schedules
from proxy_eval.controllers import Arc
from proxy_eval.factories import Factory
from tasks.errors import near_misses


class MethodError(ValueError):
    """No such method, or one that was not given what it needs."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One method of the comparison.

    Attributes:
        make: ``(run, steps, **options)`` to the method.
        title: for tables.
        needs_lr0: whether the initial LR matters; others run once per seed.
        options: keyword arguments that ``make`` requires.
        packages: what must be installed beyond the pipeline.
        decided_by: ``(**options)`` to what decides a run beyond name and options (JSON types), such as the
            weights of a controller.
    """

    make: Factory
    title: str
    needs_lr0: bool = True
    options: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    decided_by: Callable[..., Any] | None = None


def _arc(title: str, *, options: tuple[str, ...] = (), **settings: Any) -> Entry:
    make = Arc(**settings)
    return Entry(
        make=make, title=title, needs_lr0=not make.searched, options=options, decided_by=make.identity
    )


METHODS: dict[str, Entry] = {
    "arc": _arc("ARC"),
    "arc_anneal": _arc("ARC, annealed", anneal=True),
    "arc_rollback": _arc("ARC, rollback", rollback=True),
    "arc_anneal_rollback": _arc("ARC, annealed, rollback", anneal=True, rollback=True),
    "arc_auto": _arc("ARC, lr0=auto", searched=True),
    "arc_auto_anneal": _arc("ARC, lr0=auto, annealed", searched=True, anneal=True),
    "arc_auto_anneal_rollback": _arc(
        "ARC, lr0=auto, annealed, rollback", searched=True, anneal=True, rollback=True
    ),
    "arc_paper": _arc("ARC, the paper's policy", policy="paper"),
    "arc_published": _arc("ARC, published weights", policy="paper", options=("weights",)),
    "arc_default_published": _arc("ARC, published weights, our policy", options=("weights",)),
    "arc_random": Entry(make=factories.arc_random, title="ARC, random actions"),
    "constant": Entry(make=schedules.constant, title="constant"),
    "cosine": Entry(make=schedules.cosine, title="cosine"),
    "cyclic_cosine": Entry(make=schedules.cyclic_cosine, title="cyclic cosine"),
    "exponential": Entry(make=schedules.exponential, title="exponential"),
    "linear": Entry(make=schedules.linear, title="linear"),
    "warmup_cosine": Entry(make=schedules.warmup_cosine, title="warm-up + cosine"),
    "warmup_stable_decay": Entry(make=schedules.warmup_stable_decay, title="warm-up-stable-decay"),
    "warmup5_cosine": Entry(
        make=factories.with_(schedules.warmup_cosine, warmup=0.05), title="5 % warm-up + cosine"
    ),
    "trapezoid": Entry(make=schedules.trapezoid, title="trapezoid"),
    "plateau": Entry(make=schedules.plateau, title="ReduceLROnPlateau"),
    "plateau_keras": Entry(make=schedules.plateau_keras, title="ReduceLROnPlateau, Keras"),
    "greedy": Entry(make=schedules.greedy, title="GreedyLR, defaults"),
    "greedy_sane": Entry(make=factories.with_(schedules.greedy, sane=True), title="GreedyLR, sane bounds"),
    "greedy_eager": Entry(
        make=factories.with_(schedules.greedy, sane=True, patience=1),
        title="GreedyLR, sane bounds, patience 1",
    ),
    "one_cycle": Entry(make=factories.one_cycle, title="one-cycle, range test", needs_lr0=False),
    "line_search": Entry(make=factories.line_search, title="SLS", needs_lr0=False),
    "autolr": Entry(make=factories.autolr, title="AutoLR"),
    "autolr_scaled": Entry(make=factories.with_(factories.autolr, scaled=True), title="AutoLR, scaled"),
    "autolrs": Entry(make=factories.autolrs, title="AutoLRS", needs_lr0=False),
    "autolrs_scaled": Entry(
        make=factories.with_(factories.autolrs, scaled=True), title="AutoLRS, scaled", needs_lr0=False
    ),
    "autodrop": Entry(make=factories.autodrop, title="AutoDrop"),
    "autodrop_scaled": Entry(make=factories.with_(factories.autodrop, scaled=True), title="AutoDrop, scaled"),
    "sampled_constant": Entry(
        make=factories.searched(schedules.constant), title="step sampling + constant", needs_lr0=False
    ),
    "sampled_cosine": Entry(
        make=factories.searched(schedules.cosine), title="step sampling + cosine", needs_lr0=False
    ),
    "schedule_free": Entry(make=factories.schedule_free, title="Schedule-Free", packages=("schedulefree",)),
    "schedule_free_plus": Entry(make=factories.schedule_free_plus, title="ScheduleFree+", needs_lr0=False),
    "nadamw": Entry(
        make=factories.with_(factories.nadamw, constants="SELF_TUNING"),
        title="NadamW, AlgoPerf's self-tuning",
        needs_lr0=False,
    ),
    "nadamw_baseline": Entry(
        make=factories.with_(factories.nadamw, constants="BASELINE"),
        title="NadamW, AlgoPerf's baseline",
        needs_lr0=False,
    ),
    "muon": Entry(make=factories.muon, title="Muon + AdamW, warm-up-stable-decay"),
    "prodigy": Entry(make=factories.prodigy, title="Prodigy", needs_lr0=False, packages=("prodigyopt",)),
    "prodigy_cosine": Entry(
        make=factories.with_(factories.prodigy, cosine=True),
        title="Prodigy + cosine",
        needs_lr0=False,
        packages=("prodigyopt",),
    ),
    "d_adaptation": Entry(
        make=factories.d_adaptation, title="D-Adaptation", needs_lr0=False, packages=("dadaptation",)
    ),
}


def get(name: str) -> Entry:
    """The entry called ``name``; MethodError lists near misses."""
    if name in METHODS:
        return METHODS[name]
    raise MethodError(f"no method {name!r}; {near_misses(name, METHODS)}")


def make(name: str, run: Run, steps: int, **options: Any) -> Method:
    """The method called ``name`` for a run of ``steps`` steps.

    Raises:
        MethodError: an unknown name, or a required option that is missing.
        ImportError: a package of others is not installed; the message names the pip command.
    """
    entry = get(name)
    for option in entry.options:
        if option not in options:
            raise MethodError(f"method {name} needs {option}=")
    try:
        return entry.make(run, steps, **options)
    except ModuleNotFoundError as error:
        if error.name in entry.packages:
            raise ImportError(f"method {name} needs {error.name}: pip install {error.name}") from error
        raise


def identity(name: str, options: Mapping[str, Any]) -> Any:
    """What decides a run of the method beyond its name and options, or None."""
    decided_by = get(name).decided_by
    return None if decided_by is None else decided_by(**options)
