"""``python -m benchmarks.harm``: healthy trainings that look ill, under ARC and without.

Keys: ``share=1`` (of the seeds), ``workers=2``, ``kinds=all`` (or names with commas),
``out=runs/harm``. Finished runs are kept in ``out`` and not run again while the code is the same.
Exit code 1: a kind did not hold.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

from benchmarks.harm import arms, judge
from benchmarks.harm.kinds import KINDS
from benchmarks.harm.units import RunUnit
from tasks.work import workers

SEEDS = 25


def outcomes(out: Path) -> pd.DataFrame:
    """The finished runs; half a line, which a killed process leaves, is none."""
    lines = [line for file in sorted(out.glob("*.jsonl")) for line in file.read_text().splitlines()]
    found = pd.DataFrame([json.loads(line) for line in lines if line.endswith("}")])
    return found.drop_duplicates(["kind", "seed", "arm"]) if len(found) else found


def main(arguments: list[str]) -> int:
    """Run what is missing, print the table."""
    asked = {"share": "1", "workers": "2", "kinds": "all", "out": "runs/harm"}
    given = dict(argument.split("=", 1) for argument in arguments)
    if unknown := set(given) - set(asked):
        print(f"unknown key {sorted(unknown)}; known: {', '.join(asked)}", file=sys.stderr)
        return 2
    asked |= given
    names = list(KINDS) if asked["kinds"] == "all" else asked["kinds"].split(",")
    seeds = range(max(1, round(SEEDS * float(asked["share"]))))
    out = Path(asked["out"], arms.digest())
    out.mkdir(parents=True, exist_ok=True)
    done = outcomes(out)
    there = set(zip(done["kind"], done["seed"], strict=True)) if len(done) else set()
    units = [RunUnit(k, s, str(out)) for s in seeds for k in names if (k, s) not in there]
    outcome = workers.run_all(
        units, workers=int(asked["workers"]), title="harm", unit_name="runs", tick_name="arms", timeout=120
    )
    runs = outcomes(out)
    found = judge.verdicts(runs[runs["kind"].isin(names) & runs["seed"].isin(list(seeds))])
    print(judge.table(found))
    failed = workers.report(outcome, unit_name="runs")
    return failed or int(not all(verdict.held for verdict in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
