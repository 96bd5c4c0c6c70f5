"""The stage: proxy runs of every candidate, their ranking, the export of the winner.

Source: ARC (Dong et al., 2021), section 3.5 and appendix A.2.
"""

from __future__ import annotations

import hashlib
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from arc.network import weights
from data_gen import store
from data_gen.generate import load
from proxy_eval.proxy_run import PROXY_RUN, ProxyUnit
from proxy_eval.ranking import card, ranking, ranking_table
from tasks import optimizers, registry
from tasks.base import source_of
from tasks.errors import InputError
from tasks.work import board, workers
from training.distill import candidates


@dataclass(frozen=True, kw_only=True)
class SelectConfig:
    """Keys of ``configs/proxy_eval.yaml``, where each is explained."""

    candidates: str
    out: str
    runs: str
    task: Any
    optimizer: str
    lr0: list[float]
    repeats: int
    epochs: int
    period: int
    seed: int
    scale: str
    data: str
    data_dir: Any
    device: str
    workers: str
    tensorboard: str | None = None

    def __post_init__(self) -> None:
        for name in ("repeats", "epochs", "period"):
            if getattr(self, name) < 1:
                raise InputError(f"got {name}={getattr(self, name)}, need an integer >= 1")
        if not self.lr0 or not all(0 < lr < math.inf for lr in self.lr0):
            raise InputError(f"got lr0={list(self.lr0)}, need a list of positive numbers")
        optimizers.get(self.optimizer)


def select(config: SelectConfig) -> int:
    """Run the proxy runs that are missing, print the ranking, export the winner; the exit code."""
    board.check(config.tensorboard)
    device = workers.resolve_device(config.device)
    asked = units(config, device)
    missing = [unit for unit in asked if not store.exists(unit.path)]
    there = len(asked) - len(missing)
    print(f"{len(asked)} proxy runs asked for, {there} there, {len(missing)} to run", file=sys.stderr)
    processes = min(workers.count(config.workers, device), max(1, len(missing)))
    outcome = workers.run_all(
        missing, workers=processes, title="proxy_eval", unit_name="runs", tick_name="epochs"
    )
    if code := workers.report(outcome, unit_name="runs"):
        return code
    table = pa.concat_tables(store.read(unit.path, PROXY_RUN) for unit in asked)
    # the same weights may lie in two candidates' directories: the unit knows whose run it is
    runs = table.to_pandas().assign(candidate=[Path(unit.candidate).name for unit in asked])
    ranked = ranking(runs)
    print(ranking_table(ranked, runs))
    winner = Path(config.candidates) / str(ranked.index[0])
    made = weights.read_config(winner)["config"]
    proxy = {
        "tasks": sorted(set(runs["task"])),
        "lr0": list(config.lr0),
        "repeats": config.repeats,
        "epochs": config.epochs,
        "period": config.period,
        "optimizer": config.optimizer,
        "scale": config.scale,
        "scores": {str(name): float(score) for name, score in ranked["mean"].items()},
    }
    weights.save(weights.load(winner), config.out, made | {"proxy": proxy}, card(made, proxy, ranked))
    print(f"candidate {winner.name} exported to {config.out}", file=sys.stderr)
    return 0


def units(config: SelectConfig, device: str) -> list[ProxyUnit]:
    """All proxy runs asked for."""
    found = candidates(config.candidates)
    names = registry.resolve(config.task)
    sources = {name: source_of(config.data, config.data_dir, name) for name in names}
    prints = {n: load(n, config.scale, sources[n], device)[1].fingerprint() for n in names}
    return [
        ProxyUnit(
            candidate=str(candidate),
            digest=hashlib.sha256((candidate / weights.WEIGHTS).read_bytes()).hexdigest()[:16],
            task=name,
            scale=config.scale,
            source=sources[name],
            fingerprint=prints[name],
            optimizer=config.optimizer,
            lr0=lr0,
            repeat=repeat,
            epochs=config.epochs,
            period=config.period,
            seed=config.seed,
            device=device,
            runs=config.runs,
            tensorboard=config.tensorboard,
        )
        for repeat in range(config.repeats)
        for candidate in found
        for name in names
        for lr0 in config.lr0
    ]
