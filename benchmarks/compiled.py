"""A step of training under torch.compile against the step as it is: ``python -m benchmarks.compiled``.

Forward pass and loss are compiled as one graph (Inductor, one thread), the backward pass with it; batch and
optimizer stay as they are. Each task has processes of its own: one that finds an empty cache, and one that
finds what the first has left. All times are CPU seconds, compilers and their processes included.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch

from tasks import registry
from tasks.base import Source
from tasks.loop import TaskRun


def used() -> float:
    """CPU seconds of this process and of the children that have ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, kinds))


def step(run: TaskRun, forward: Callable[..., Any]) -> None:
    """One step with this forward pass."""
    batch = run.next_batch()
    run.zero_grad()
    loss, _ = forward(run.model, batch)
    loss.backward()
    run.update()


def measure(name: str, turns: int, steps: int) -> None:
    """Print seconds until the first compiled step is done, and milliseconds of a step: as it is, compiled."""
    torch.set_num_threads(1)
    task = registry.get(name)
    run = TaskRun(task, task.loaded(Source()), optimizer="adam", lr=1e-3, seed=0)
    compiled = torch.compile(task.forward, dynamic=False)
    step(run, task.forward)
    began = used()
    step(run, compiled)
    first = used() - began
    times: dict[Callable[..., Any], list[float]] = {task.forward: [], compiled: []}
    for forward in (*times, *turns * tuple(times)):
        began = time.thread_time()
        with run.borrowed_rng():
            for _ in range(steps):
                step(run, forward)
        times[forward].append((time.thread_time() - began) / steps)
    plain, fast = (1e3 * statistics.median(taken[1:]) for taken in times.values())
    print(f"{first} {plain} {fast}")


def main() -> None:
    """Measure each task twice, and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tasks", default="svhn_vgg,food_densenet,letters_vit", help="names")
    parser.add_argument("--turns", type=int, default=5, help="timings of each way, in turn")
    parser.add_argument("--steps", type=int, default=5, help="of a timing")
    parser.add_argument("--of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.of:
        measure(options.of, options.turns, options.steps)
        return
    print("| task | step, ms | compiled | ratio | until the first step, s | with a cache |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in options.tasks.split(","):
        with tempfile.TemporaryDirectory() as cache:
            more = {"TORCHINDUCTOR_CACHE_DIR": cache, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
            asked = [f"--of={name}", f"--turns={options.turns}", f"--steps={options.steps}"]
            command = [sys.executable, "-m", "benchmarks.compiled", *asked]
            found = [
                [float(word) for word in subprocess.check_output(command, env=os.environ | more).split()]
                for _ in range(2)
            ]
        (cold, *_), (warm, plain, fast) = found
        cells = f"{plain:.1f} | {fast:.1f} | {plain / fast:.2f} | {cold:.0f} | {warm:.0f}"
        print(f"| {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
