"""How far the LR is off, as a network says after some calls: ``python -m benchmarks.distance SUITE.yaml``.

For every task of a suite, LRs around its best one are held for some calls; what the network says after each
is compared with what is known. Prints a table, a row per task, and errors by call. A suite that is
for evaluation is looked at thereby: write it down.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from arc.history.blocks import blocks
from arc.history.course import Call, Course
from arc.history.movement import Movement
from arc.history.observation import observe
from arc.history.sketch import Sketches
from arc.network import weights
from arc.network.estimator import Estimator
from tasks import registry
from tasks.base import source_of
from tasks.loop import TaskRun
from tasks.recipe import Recipe


def estimates(
    name: str, optimizer: str, best_lr: float, options: argparse.Namespace, network: Estimator
) -> list[dict[str, Any]]:
    """A row per LR, seed and call."""
    task = registry.get(name, options.scale)
    data = task.load(source_of(options.data, None, name))
    recipe = Recipe(**{**vars(task.recipe), "epoch_steps": options.epoch_steps or task.recipe.epoch_steps})
    rows = []
    for seed in range(options.seeds):
        for decades in options.decades:
            lr = best_lr * 10**decades
            run = TaskRun(task, data, optimizer=optimizer, lr=lr, seed=seed, recipe=recipe)
            sketches, course = Sketches([run.optimizer]), Course()
            for call in range(1, options.calls + 1):
                losses = run.train(run.steps_per_epoch)
                val = run.evaluate("val", metric=False).loss
                if not all(map(math.isfinite, [*losses, val])):
                    break
                mean, spread = blocks(losses)
                moved: Movement = sketches.movement()
                course.add(
                    Call(lr=lr, steps=len(losses), means=mean, spreads=spread, val_loss=val, moved=moved)
                )
                seen = observe(course)
                with torch.inference_mode():
                    answer = network(*(torch.from_numpy(part)[None] for part in seen))
                found = {"estimate": float(answer.distance), "spread": float(answer.spread)}
                rows.append({"task": name, "seed": seed, "distance": decades, "call": call, **found})
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """The command; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("suite", type=Path, help="a suite's YAML file: tasks with optimizer and best_lr")
    parser.add_argument("--tasks", nargs="*", help="only these")
    parser.add_argument("--decades", nargs="*", type=float, default=[-2, -1, 0, 1, 2])
    parser.add_argument("--calls", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--scale", default="mini")
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--epoch-steps", type=int, help="optimizer steps of a call; default: the task's")
    parser.add_argument("--controller", help="a controller directory; default: the shipped one")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    network = weights.load(options.controller)
    if not isinstance(network, Estimator):
        parser.error("the controller's network sees losses alone: it says nothing of distances")
    suite = yaml.safe_load(options.suite.read_text())["tasks"]
    rows: list[dict[str, Any]] = []
    for name in options.tasks or suite:
        rows += estimates(name, suite[name]["optimizer"], suite[name]["best_lr"], options, network)
    found = pd.DataFrame(rows)
    found["error"] = (found["estimate"] - found["distance"]).abs()
    far = found[found["distance"].abs() >= 1]
    right = (far["estimate"] > 0) == (far["distance"] > 0)
    last = found[found["call"] >= 2]
    said = last.pivot_table(index="task", columns="distance", values="estimate").round(2)
    said["error"] = last.groupby("task")["error"].mean().round(3)
    print(said.to_string())
    by_call = found.groupby("call")["error"].mean().round(3).to_dict()
    print(
        f"error by call {by_call}; from the second call on {last.groupby('task')['error'].mean().mean():.3f}"
    )
    print(f"direction right, a decade or more off: {right.mean():.3f} of {len(right)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
