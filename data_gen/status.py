"""``python -m data_gen.status``: what is there of a set of trials."""

from __future__ import annotations

import math
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from tqdm import tqdm

from data_gen import schema, store
from data_gen.samples import samples_of_run
from tasks import cli
from tasks.errors import InputError


@dataclass(frozen=True, kw_only=True)
class StatusConfig:
    """Keys of ``configs/data_gen.status.yaml``, where each is explained."""

    out: str
    runs: int | None
    verify: bool

    def __post_init__(self) -> None:
        if self.runs is not None and self.runs < 1:
            raise InputError(f"got runs={self.runs}, need an integer >= 1 or null")


@dataclass
class TaskStatus:
    """What the parts of one task hold."""

    runs: int = 0
    rows: int = 0
    diverged: int = 0
    seconds: float = 0.0
    labels: Counter[str] = field(default_factory=Counter)

    def add(self, run: list[dict[str, Any]]) -> None:
        """Count the rows of one run."""
        self.runs += 1
        self.rows += len(run)
        self.seconds += sum(row["seconds"] for row in run)
        self.labels.update(sample["label"] for sample in samples_of_run(run))
        self.diverged += sum(1 for row in run if not _all_finite(row))


def status(config: StatusConfig) -> int:
    """Print the table, and the bad parts; the exit code."""
    found: dict[str, TaskStatus] = {}
    bad: list[str] = []
    parts = tqdm(store.parts(config.out), desc="status", unit=" parts", disable=not sys.stderr.isatty())
    for path in parts:
        try:
            rows = store.read(path, schema.TRIAL).to_pylist()
        except InputError as error:
            if not config.verify:
                raise
            bad.append(str(error))
            continue
        rows.sort(key=lambda row: (row["task"], row["run_id"], row["cycle"]))
        for (task, _), run in groupby(rows, key=lambda row: (row["task"], row["run_id"])):
            found.setdefault(task, TaskStatus()).add(list(run))
    if not found and not bad:
        raise InputError(
            f"no trials below {config.out!r}; make some with python -m data_gen out={config.out}"
        )
    print(table(found, config.runs))
    for message in bad:
        print(f"bad: {message}")
    return 1 if bad else 0


def table(found: dict[str, TaskStatus], runs: int | None) -> str:
    """One line per task and one for all, in at most 80 columns."""
    lines = [f"{'task':20}  runs  missing   rows   raise   keep  lower diverged  s/row"]
    everything = TaskStatus()
    for name, one in sorted(found.items()):
        lines.append(_line(name, one, runs))
        for attribute in ("runs", "rows", "diverged", "seconds"):
            setattr(everything, attribute, getattr(everything, attribute) + getattr(one, attribute))
        everything.labels.update(one.labels)
    lines.append(_line("all", everything, runs * len(found) if runs else None))
    return "\n".join(lines)


def _line(name: str, one: TaskStatus, runs: int | None) -> str:
    missing = "" if runs is None else str(max(0, runs - one.runs))
    labelled = max(1, one.labels.total())
    shares = (f"{one.labels[action] / labelled:.0%}" for action in ("raise", "keep", "lower"))
    shown = "{:>8}{:>7}{:>7}".format(*shares)
    per_row = one.seconds / max(1, one.rows)
    return f"{name:20.20}{one.runs:>6}{missing:>9}{one.rows:>7}{shown}{one.diverged:>9}{per_row:>7.1f}"


def _all_finite(row: dict[str, Any]) -> bool:
    names = ("val_loss", "raise_val_loss", "keep_val_loss", "lower_val_loss")
    return all(row[name] and math.isfinite(row[name][-1]) for name in names)


if __name__ == "__main__":
    sys.exit(cli.main("data_gen.status", StatusConfig, status, logged=False))
