"""What the medium trainings cost: ``python -m benchmarks.medium`` prints a row of Markdown for each task.

Embedded data by default; ``--root DIRECTORY`` takes the real files below it (docs/results/real.md) instead.
CPU time of one thread, so that other work on the machine hardly counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from tasks import registry
from tasks.base import Source
from tasks.loop import TaskRun


class Training(NamedTuple):
    """A task at scale medium: its optimizer, an LR that trains, epochs, and the folder of its real files."""

    task: str
    optimizer: str
    lr: float
    epochs: int
    folder: str | None


TRAININGS = (
    Training("docstring_transformer", "adamw", 3e-3, 20, "tiny_shakespeare"),
    Training("word_transformer", "own", 3e-3, 20, "wikitext2"),
    Training("ptb_lstm", "momentum", 3.0, 20, "wikitext2"),
    Training("cifar10_resnet9", "momentum", 1e-1, 20, "cifar10"),
    Training("food_convnext", "adamw", 1e-3, 20, "cifar100_food"),
    Training("finetune_convnet", "adamw", 1e-3, 20, "cifar100_food"),
    Training("imdb_lstm", "adamw", 1e-3, 25, "imdb"),
    Training("cub_unet", "adamw", 1e-3, 20, "camvid_small"),
    Training("shakespeare_gru", "adam", 3e-3, 20, "tiny_shakespeare"),
    Training("clusters_mlp", "adamw", 1e-3, 25, None),
)


def row(training: Training, root: Path | None, steps: int) -> str | None:
    """One row of the table; None where the task has no real files."""
    if root is not None and training.folder is None:
        return None
    task = registry.get(training.task, "medium")
    source = Source(kind="local", path=str(root / training.folder)) if root and training.folder else Source()
    data = task.load(source)
    run = TaskRun(task, data, optimizer=training.optimizer, lr=training.lr, seed=0, recipe=task.recipe)
    parameters = sum(p.numel() for p in run.model.parameters())
    run.train(3)
    began = time.thread_time()
    run.train(steps)
    step = (time.thread_time() - began) / steps
    began = time.thread_time()
    run.evaluate("val")
    evaluation = time.thread_time() - began
    total = training.epochs * run.steps_per_epoch
    minutes = (total * step + training.epochs * evaluation) / 60
    rows = ", ".join(str(len(next(iter(split.values())))) for split in data)
    return (
        f"| `{training.task}` | {source.kind} | {parameters / 1e6:.2f} | {rows} | {run.batch_size} | "
        f"{run.steps_per_epoch} x {training.epochs} | {total / run.pass_steps:.1f} | {1000 * step:.0f} | "
        f"{minutes:.1f} |"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, help="folder of the real data sets")
    parser.add_argument("--steps", type=int, default=40, help="that are timed")
    parser.add_argument("--tasks", nargs="*", help="some of them only")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print("| task | data | parameters, M | rows | batch | steps | passes | ms/step | minutes |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for training in TRAININGS:
        if chosen.tasks and training.task not in chosen.tasks:
            continue
        line = row(training, chosen.root, chosen.steps)
        if line is not None:
            print(line, flush=True)


if __name__ == "__main__":
    main()
