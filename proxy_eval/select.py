"""The stage: proxy runs of every candidate, their ranking, the export of the winner.

By default several tasks decide, by what is left at the end of a run, and candidates that nothing tells apart
are level. ``experiment=paper_proxy`` is the paper's own selection: one task, the best metric, the best mean.

Source: ARC (Dong et al., 2021), section 3.5 and appendix A.2.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from arc.network import weights
from data_gen import store
from data_gen.unit import load
from proxy_eval import suite
from proxy_eval.controllers import code_digest, digest
from proxy_eval.level import choose, last_scores
from proxy_eval.proxy_run import ARC, PROXY_RUN, ProxyUnit
from proxy_eval.ranking import card, ranking, ranking_table
from tasks import optimizers, registry
from tasks.base import source_of
from tasks.errors import InputError
from tasks.recipe import Recipe
from tasks.work import folders, places, tensorboard, workers
from tasks.work.executor import Executed, Executor
from training.distill import candidates

RULES = ("level", "mean")
SUITES = ("zoo_suite", "dev_suite")
"""Where a task's optimizer and best LR are looked up; the suites of the comparison are not for choosing."""


@dataclass(frozen=True, kw_only=True)
class SelectConfig(Executed):
    """Keys of ``configs/proxy_eval.yaml``, where each is explained."""

    candidates: str
    out: str
    runs: str
    task: Any
    optimizer: str | None
    lr0: list[float] | None
    decades: list[float]
    policy: str
    rule: str
    repeats: int
    epochs: int
    period: int
    epoch_steps: int | None
    seed: int
    scale: str
    data: str
    data_dir: Any
    device: str
    tensorboard: str | None = None

    def __post_init__(self) -> None:
        for name in ("repeats", "epochs", "period"):
            if getattr(self, name) < 1:
                raise InputError(f"got {name}={getattr(self, name)}, need an integer >= 1")
        Recipe(epoch_steps=self.epoch_steps)
        if self.lr0 is not None and not (self.lr0 and all(0 < lr < math.inf for lr in self.lr0)):
            raise InputError(f"got lr0={list(self.lr0)}, need a list of positive numbers, or null")
        if self.lr0 is None and not self.decades:
            raise InputError("got lr0=null and decades=[], need one of them")
        for name, known in (("policy", tuple(ARC)), ("rule", RULES)):
            if getattr(self, name) not in known:
                raise InputError(f"got {name}={getattr(self, name)}, need {' or '.join(known)}")
        if self.optimizer is not None:
            optimizers.check(self.optimizer)
        super().__post_init__()


def select(config: SelectConfig) -> int:
    """Run the proxy runs that are missing, print the ranking, export the winner; the exit code."""
    tensorboard.check(config.tensorboard)
    executor = Executor.of(config)
    asked = units(config, executor.where())
    share = executor.share(asked)
    missing = [unit for unit in share if not store.exists(unit.path)]
    there = len(share) - len(missing)
    print(f"{len(share)} proxy runs asked for, {there} there, {len(missing)} to run", file=sys.stderr)
    outcome = executor.run(missing, title="proxy_eval", unit_name="runs", tick_name="epochs")
    if code := workers.report(outcome, unit_name="runs"):
        return code
    if executor.shared and (left := sum(not store.exists(unit.path) for unit in asked)):
        print(
            f"{left} proxy runs are left to other shards; the last one to end exports the winner",
            file=sys.stderr,
        )
        return 0
    table = pa.concat_tables(store.read(unit.path, PROXY_RUN) for unit in asked)
    # the same weights may lie in two candidates' directories: the unit knows whose run it is
    runs = table.to_pandas().assign(candidate=[folders.name(unit.candidate) for unit in asked])
    if config.rule == "level":
        runs["score"] = last_scores(runs)
    ranked = ranking(runs, within_tasks=config.rule == "mean")
    print(ranking_table(ranked, runs))
    name, said = str(ranked.index[0]), "the best mean"
    if config.rule == "level":
        choice = choose(runs, [str(one) for one in ranked.index], _regrets(config, ranked), seed=config.seed)
        name, said = choice.name, str(choice)
        print(said)
    winner = _directory(config, name)
    made = weights.read_config(winner)["config"]
    proxy = {
        "tasks": sorted(set(runs["task"])),
        "lr0": sorted({float(lr0) for lr0 in runs["lr0"]}),
        "repeats": config.repeats,
        "epochs": config.epochs,
        "period": config.period,
        "optimizer": ", ".join(sorted(set(runs["optimizer"]))),
        "policy": config.policy,
        "rule": config.rule,
        "choice": said,
        "scale": config.scale,
        "scores": {str(name): float(score) for name, score in ranked["mean"].items()},
    }
    with folders.written(config.out, weights.CONFIG) as out:
        weights.save(weights.load(winner), out, made | {"proxy": proxy}, card(made, proxy, ranked, name))
    print(f"candidate {name} exported to {config.out}", file=sys.stderr)
    return 0


def _directory(config: SelectConfig, name: str) -> Path:
    """A candidate's, here."""
    return folders.here(places.join(config.candidates, name))


def _regrets(config: SelectConfig, ranked: pd.DataFrame) -> dict[str, float]:
    """Each candidate's regret on held-out samples, from its own file."""
    made = {str(name): weights.read_config(_directory(config, str(name))) for name in ranked.index}
    return {name: float(found["config"]["metrics"]["regret"]) for name, found in made.items()}


def _where(config: SelectConfig, name: str) -> tuple[str, list[float]]:
    """A task's optimizer and LR0s: those of the command, else around the best LR in the suite that it is in.

    A task in no suite takes Adam, around the middle of its own range of LRs.
    """
    known = {entry.name: entry for file in SUITES for entry in suite.read(file)}
    entry = known.get(name)
    optimizer = config.optimizer or (entry.optimizer if entry else "adam")
    if config.lr0 is not None:
        return optimizer, [float(lr0) for lr0 in config.lr0]
    if entry is None or entry.optimizer != optimizer:
        ranges = registry.get(name, config.scale).lr_range
        if optimizer not in ranges:
            raise InputError(
                f"{name} has no range of LRs for {optimizer}, only for {', '.join(ranges)}: give lr0="
            )
        middle = math.sqrt(math.prod(ranges[optimizer]))
        entry = suite.Entry(name=name, optimizer=optimizer, best_lr=middle, epochs=config.epochs)
    return optimizer, entry.grid(list(config.decades))


def units(config: SelectConfig, device: str) -> list[ProxyUnit]:
    """All proxy runs asked for."""
    found = candidates(config.candidates)
    names = registry.resolve(config.task)
    sources = {name: source_of(config.data, config.data_dir, name) for name in names}
    where = {name: _where(config, name) for name in names}
    prints = {n: load(n, config.scale, sources[n], "cpu")[1].fingerprint() for n in names}
    return [
        ProxyUnit(
            candidate=candidate,
            digest=digest(candidate),
            task=name,
            scale=config.scale,
            source=sources[name],
            fingerprint=prints[name],
            optimizer=where[name][0],
            lr0=lr0,
            repeat=repeat,
            epochs=config.epochs,
            period=config.period,
            epoch_steps=config.epoch_steps,
            policy=config.policy,
            rules=code_digest(),
            seed=config.seed,
            device=device,
            runs=config.runs,
            tensorboard=config.tensorboard,
        )
        for repeat in range(config.repeats)
        for candidate in found
        for name in names
        for lr0 in where[name][1]
    ]
