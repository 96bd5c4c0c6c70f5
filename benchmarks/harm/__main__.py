"""Healthy trainings that look ill: ``python -m benchmarks.harm [--share 0.1] [--workers 2]``.

Prints a table, a row per kind; the exit code is 1 where a healthy training was harmed. Finished runs are
kept in a file and not run again as long as the code that they depend on stays the same.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harm import judge, pool, run, store
from benchmarks.harm.training import KINDS

SEEDS = 25
Runs = Mapping[pool.Key, dict[str, Any]]


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the 25 seeds of every kind")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each; 0: none")
    parser.add_argument("--kinds", nargs="*", choices=sorted(KINDS), help="only these; default: all")
    parser.add_argument("--arms", nargs="*", choices=run.ARMS, default=list(run.ARMS))
    parser.add_argument("--runs", type=Path, default=Path("runs/harm.jsonl"), help="finished runs")
    parser.add_argument("--judge-only", action="store_true", help="run nothing, judge what is finished")
    options = parser.parse_args(arguments)
    if not 0 < options.share <= 1:
        parser.error(f"got --share {options.share}, need a share above 0 and at most 1")
    seeds = range(math.ceil(SEEDS * options.share))
    names = options.kinds or sorted(KINDS)
    done = store.read(options.runs)
    missing = [(name, seed, arm) for seed in seeds for name in names for arm in options.arms]
    missing = [key for key in missing if key not in done]
    for row in pool.finished([] if options.judge_only else missing, options.workers):
        store.append(options.runs, row)
    done = store.read(options.runs)
    verdicts = judged(done, names, seeds)
    print(judge.table(verdicts))
    lacking = len(names) * len(seeds) - sum(v.seeds for v in verdicts)
    if lacking:
        print(f"{lacking} pairs of {len(names) * len(seeds)} are not finished.")
    return int(lacking > 0 or any(v.broken for v in verdicts))


def judged(done: Runs, names: Sequence[str], seeds: Sequence[int]) -> list[judge.Verdict]:
    """The verdicts on the kinds of which a pair of runs is finished."""
    verdicts = []
    for name in names:
        rows = {(seed, arm): row for (kind, seed, arm), row in done.items() if kind == name and seed in seeds}
        if any((seed, "arc") in rows and (seed, "guard") in rows for seed in seeds):
            verdicts.append(judge.verdict(name, rows))
    return verdicts


if __name__ == "__main__":
    sys.exit(main())
