"""CPU time of three branches one after the other and together: ``python -m benchmarks.together``.

For each task of the zoo that can do both, with Adam, on one thread: a step of all three branches (batch,
forward and backward pass, optimizers) and a cycle of ``data_gen`` (trunk, branches, evaluations; period 2),
medians of turns that alternate between the two ways. With the allocator's settings of the stage's workers:

    MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=4294967296 python -m benchmarks.together
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch

from arc.actions import Action
from benchmarks.data_gen import fingerprint, trial_of
from data_gen import trial
from data_gen.unit import loaded
from tasks import registry
from tasks.loop import TaskRun
from tasks.together import Together


def seconds(ways: Sequence[Callable[[], object]], turns: int) -> list[float]:
    """Median CPU time of each way, which take turns; the first turn does not count."""
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(turns + 1):
        for way, own in zip(ways, taken, strict=True):
            began = time.thread_time()
            way()
            own.append(time.thread_time() - began)
    return [statistics.median(own[1:]) for own in taken]


def of_step(name: str, turns: int, steps: int = 10) -> list[float]:
    """Seconds of a step of three branches: one after the other, together."""
    asked = trial_of(name, 0, cycles=1, period=1)
    task, data = loaded(asked, "cpu")
    optimizer, lr, *_ = asked.draw(task)
    alone, runs = (
        [TaskRun(task, data, optimizer=optimizer, lr=lr * a.multiplier, seed=0) for a in Action]
        for _ in range(2)
    )
    group = Together(runs)
    found = seconds([lambda: [run.train(steps) for run in alone], lambda: group.train(steps)], turns)
    return [s / steps for s in found]


def of_cycle(name: str, turns: int, cycles: int = 2) -> list[float]:
    """Seconds of a cycle of ``data_gen``: branches one after the other, together."""

    def way(mode: str) -> Callable[[], object]:
        asked = trial_of(name, 0, cycles=cycles, period=2, mode=mode)
        task, data = loaded(asked, "cpu")
        return lambda: list(trial.rows(asked, task, data, fingerprint(asked)))

    return [s / cycles for s in seconds([way("sequential"), way("together")], turns)]


def main() -> None:
    """Measure, and print the table as Markdown."""
    possible = [name for name in registry.names("zoo") if registry.task_class(name).together]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tasks", default=",".join(possible), help="names, default: all that can")
    parser.add_argument("--turns", type=int, default=9, help="timings of each way")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| task | step, ms | together | ratio | cycle, ms | together | ratio |")
    print("|---|" + "---:|" * 6)
    ratios = []
    for name in options.tasks.split(","):
        (a, b), (c, d) = of_step(name, options.turns), of_cycle(name, max(1, options.turns // 3))
        ratios.append((a / b, c / d))
        step = f"{1e3 * a:.1f} | {1e3 * b:.1f} | {a / b:.2f}"
        print(f"| {name} | {step} | {1e3 * c:.0f} | {1e3 * d:.0f} | {c / d:.2f} |", flush=True)
    step_mean, cycle_mean = map(statistics.geometric_mean, zip(*ratios, strict=True))
    print(f"\nGeometric means: {step_mean:.2f} of a step, {cycle_mean:.2f} of a cycle.")


if __name__ == "__main__":
    main()
