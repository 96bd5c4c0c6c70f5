"""``python -m proxy_eval.compare``: methods x tasks x LR0 x seeds, one Parquet part per run."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from arc.actions import Action
from data_gen import store
from proxy_eval import asked, estimate, suite
from proxy_eval import comparison_schema as schema
from proxy_eval import plan as plans
from proxy_eval.comparison_run import ComparisonUnit
from tasks.errors import InputError
from tasks.work import cli, workers
from tasks.work.executor import Executed, Executor


@dataclass(frozen=True, kw_only=True)
class CompareConfig(Executed):
    """Keys of ``configs/proxy_eval.compare.yaml``, where each is explained."""

    methods: Any
    tasks: Any
    lr0: Any
    decades: list[float]
    seeds: Any
    selection_seeds: list[int]
    oracle: Any
    horizon: float
    optimizer: str | None
    epochs: int | None
    epoch_steps: int | None
    controller: str | None
    weights: str
    frequencies: list[float] | None
    seed: int
    scale: str
    data: str
    data_dir: Any
    device: str
    estimate: bool
    out: str

    def __post_init__(self) -> None:
        if self.lr0 != "grid" and not (
            isinstance(self.lr0, list) and self.lr0 and all(0 < float(lr) < math.inf for lr in self.lr0)
        ):
            raise InputError(f"got lr0={self.lr0}, need grid or a list of positive LRs")
        if not self.decades:
            raise InputError("got an empty list of decades, need at least one")
        if not (math.isfinite(self.horizon) and self.horizon > 0):
            raise InputError(f"got horizon={self.horizon}, need a positive number (1 is the suite's length)")
        for name in ("epochs", "epoch_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"got {name}={value}, need an integer >= 1 or null")
        super().__post_init__()
        if self.frequencies is not None and not (
            len(self.frequencies) == 3
            and min(self.frequencies) >= 0
            and math.isclose(sum(self.frequencies), 1)
        ):
            raise InputError(f"got frequencies={self.frequencies}, need three parts that sum to 1")
        if set(self.seed_list()) & set(self.selection_seeds):
            raise InputError("seeds and selection_seeds share one: the oracle must be chosen on other seeds")

    def seed_list(self) -> tuple[int, ...]:
        """The seeds of the runs that are reported."""
        given = list(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds
        if not isinstance(given, list) or not given or len(set(given)) < len(given):
            raise InputError(f"got seeds={self.seeds}, need a number >= 1, or a list of different seeds")
        return tuple(given)


def plan_of(config: CompareConfig) -> plans.Plan:
    """What the configuration asks for."""
    chosen = plans.asked(config.methods, weights=config.weights, controller=config.controller)
    entries = suite.entries(config.tasks, optimizer=config.optimizer, epochs=config.epochs)
    found = plans.places(
        entries,
        lr0=config.lr0,
        decades=config.decades,
        scale=config.scale,
        data=config.data,
        data_dir=config.data_dir,
    )
    return plans.Plan(
        methods=tuple(chosen),
        places=tuple(found),
        seeds=config.seed_list(),
        selection_seeds=tuple(config.selection_seeds),
        oracle=plans.oracle(config.oracle),
        horizon=config.horizon,
        epoch_steps=config.epoch_steps,
        base_seed=config.seed,
        scale=config.scale,
        device=Executor.of(config).where(),
        out=config.out,
    )


def compare(config: CompareConfig) -> int:
    """Make the runs that are missing; the exit code.

    The random control comes last: it takes the action frequencies of ARC's runs.
    """
    plan = plan_of(config)
    others = tuple(m for m in plan.methods if m.name != "arc_random" or "frequencies" in m.options)
    waiting = tuple(m for m in plan.methods if m not in others)
    if waiting and config.frequencies is None and not any(m.name == "arc" for m in plan.methods):
        raise InputError(
            "arc_random draws with the frequencies of ARC's actions: ask for arc as well, or give "
            "frequencies=[raise,keep,lower]"
        )
    first = list(replace(plan, methods=others).units())
    if config.estimate:
        print(estimate.table(plan, first, len(waiting)))
        return 0
    command = "python -m proxy_eval.compare " + " ".join(sys.argv[1:])
    code = perform(first, config, command)
    if code or not waiting:
        return code
    if config.frequencies is None and (absent := _missing(first)):
        print(
            f"{len(absent)} runs are left to other shards, and the random control needs all of them; "
            "the same command goes on when they are there",
            file=sys.stderr,
        )
        return 0
    measured = config.frequencies or frequencies(plan)
    last = [replace(m, options=m.options | {"frequencies": list(measured)}) for m in waiting]
    return perform(list(replace(plan, methods=tuple(last), selection_seeds=()).units()), config, command)


def frequencies(plan: plans.Plan) -> tuple[float, float, float]:
    """The parts of raise, keep and lower among the decisions of the plan's ARC runs, to the percent.

    Rounded, so that another seed does not make another control of it. InputError where there are none.
    """
    counted: Counter[str] = Counter()
    for unit in plan.units():
        if unit.method == "arc":
            table = schema.read(unit.path)
            counted.update(action for row in table["decision"].to_pylist() for action in row)
    total = counted.total()
    if not total:
        raise InputError("ARC made no decision in its runs: give frequencies=[raise,keep,lower]")
    raised, kept = (round(counted[a.label] / total, 2) for a in (Action.RAISE, Action.KEEP))
    return raised, kept, round(1 - raised - kept, 2)


def perform(units: Sequence[ComparisonUnit], config: CompareConfig, command: str) -> int:
    """Run what is missing of these; the exit code."""
    asked.remember(units, config.out, command)
    executor = Executor.of(config)
    share = executor.share(units)
    missing = _missing(share)
    print(
        f"{len(share)} runs asked for, {len(share) - len(missing)} there, {len(missing)} to run",
        file=sys.stderr,
    )
    outcome = executor.run(missing, title="compare", unit_name="runs", tick_name="epochs")
    return workers.report(outcome, unit_name="runs")


def _missing(units: Sequence[ComparisonUnit]) -> list[ComparisonUnit]:
    return [unit for unit in units if not store.exists(unit.path)]


if __name__ == "__main__":
    sys.exit(cli.main("proxy_eval.compare", CompareConfig, compare))
