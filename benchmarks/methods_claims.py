"""What the papers of `arc.methods` claim, tried at mini scale: `python -m benchmarks.methods_claims`.

Every training is one line of runs/methods_claims.jsonl; what is there is not run again, so a stopped run
goes on and more seeds only add. `--report` prints the tables of docs/results/methods.md.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import MultiStepLR

from arc.methods.autodrop import AutoDrop
from arc.methods.autolr import AutoLR
from arc.methods.autolrs import AutoLRS
from arc.methods.method import Method
from arc.methods.schedule import Constant, Schedule
from arc.methods.step_sampling import search
from benchmarks.methods_report import report
from tasks import registry
from tasks.base import Source
from tasks.loop import TaskRun

Unit = dict[str, Any]

LR0S = (0.03, 0.05, 0.1, 0.15)
EXPLORE = (0.0, 0.05, 0.125, 0.25, 0.5)
GRID = tuple(10 ** (x / 2) for x in range(-10, 2))
GRID_TASKS = ("svhn_vgg", "imdb_lstm", "ptb_lstm")


def units(seeds: int) -> Iterator[Unit]:
    """Every training that the tables need, seed by seed."""
    for seed in range(seeds):
        for lr0 in LR0S:
            for method in ("steps", "autodrop", "autodrop 1 deg"):
                common = {"task": "svhn_vgg", "optimizer": "momentum", "epochs": 40}
                yield {"claim": "autodrop", **common, "method": method, "lr0": lr0, "seed": seed}
        for explore in (*EXPLORE, None):
            common = {"task": "svhn_vgg", "optimizer": "momentum", "epochs": 30}
            yield {"claim": "autolr", **common, "explore": explore, "lr0": 0.05, "seed": seed}
        for task in GRID_TASKS:
            common = {"task": task, "optimizer": "adam", "epochs": 15}
            for selection in ("midpoint", "half", "steepest"):
                yield {"claim": "sampling", **common, "selection": selection, "seed": seed}
            for lr0 in GRID:
                yield {"claim": "sampling", **common, "selection": "grid", "lr0": lr0, "seed": seed}
        common = {"task": "svhn_vgg", "optimizer": "momentum", "epochs": 40}
        yield {"claim": "autolrs", **common, "lr0": 0.05, "seed": seed}


def run_unit(unit: Unit) -> Unit:
    """Train, and measure on the test data."""
    task = registry.get(unit["task"])
    data = task.load(Source())
    run = TaskRun(task, data, optimizer=unit["optimizer"], lr=unit.get("lr0", 1e-3), seed=unit["seed"])
    epochs = unit["epochs"]
    began = time.process_time()
    method, notes = METHODS[unit["claim"]](unit, run)
    for _ in method.drive(run, epochs * run.steps_per_epoch):
        if not math.isfinite(run.lr):
            break
    seconds = time.process_time() - began
    test = run.evaluate("test")
    found = {"loss": test.loss, "metric": test.metric, "lr": run.lr, "cpu_seconds": round(seconds, 2)}
    state = vars(method.state)
    for name in ("drops", "changes", "rollbacks", "stages"):
        if name in state:
            found[name] = len(state[name])
    return {**unit, **notes, **found, **run.cost.as_dict(), "step_count": run.step_count}


def _autodrop(unit: Unit, run: TaskRun) -> tuple[Method, Unit]:
    epochs, steps = unit["epochs"], run.steps_per_epoch
    if unit["method"] == "steps":  # the baseline's 60, 120 and 160 of 200 epochs, times 0.2
        milestones = [round(part * epochs) * steps for part in (0.3, 0.6, 0.8)]
        return Schedule(scheduler=lambda o, *_: MultiStepLR(o, milestones, 0.2)), {}
    threshold = 1.0 if "1 deg" in unit["method"] else 0.01
    return AutoDrop(delay=max(1, round(20 * epochs / 200)), threshold=threshold), {}


def _autolr(unit: Unit, run: TaskRun) -> tuple[Method, Unit]:
    return (Constant() if unit["explore"] is None else AutoLR(explore=unit["explore"])), {}


def _sampling(unit: Unit, run: TaskRun) -> tuple[Method, Unit]:
    if unit["selection"] == "grid":
        return Constant(), {}
    found = search(run, selection=unit["selection"])
    run.set_lr(found.lr)
    return Constant(), {"lr0": found.lr, "trials": len(found.curve)}


def _autolrs(unit: Unit, run: TaskRun) -> tuple[Method, Unit]:
    return AutoLRS(min_lr=1e-4, max_lr=3.0, stage=100, max_stage=800), {}


METHODS: dict[str, Callable[[Unit, TaskRun], tuple[Method, Unit]]] = {
    "autodrop": _autodrop,
    "autolr": _autolr,
    "sampling": _sampling,
    "autolrs": _autolrs,
}
IDENTITY = ("claim", "task", "optimizer", "epochs", "method", "explore", "selection", "seed")


def identity(row: Unit) -> str:
    """What decides a training; a searched LR is a result."""
    lr0 = None if row.get("selection") in ("midpoint", "half", "steepest") else row.get("lr0")
    return json.dumps([*(row.get(k) for k in IDENTITY), lr0])


def load(path: Path) -> list[Unit]:
    """The trainings that are done."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """Run what is missing, or report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--claim", choices=METHODS, help="only this one")
    parser.add_argument("--out", type=Path, default=Path("runs/methods_claims.jsonl"))
    parser.add_argument("--report", action="store_true", help="print the tables instead")
    options = parser.parse_args()
    if options.report:
        print(report(load(options.out)))
        return
    torch.set_num_threads(1)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    done = {identity(row) for row in load(options.out)}
    for unit in units(options.seeds):
        if identity(unit) in done or options.claim not in (None, unit["claim"]):
            continue
        row = run_unit(unit)
        with options.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print({k: row[k] for k in (*unit, "metric", "cpu_seconds")}, flush=True)


if __name__ == "__main__":
    main()
