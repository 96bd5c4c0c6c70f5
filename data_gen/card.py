"""The data card of a directory of trials: what is in it, how it was made, what it cost."""

from __future__ import annotations

import math
import os
import platform
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from data_gen import schema, store
from data_gen.samples import samples_of_run

ACTIONS = ("raise", "keep", "lower")


@dataclass
class Counts:
    """What one line of the card's table says."""

    runs: int = 0
    rows: int = 0
    samples: int = 0
    diverged: int = 0
    seconds: float = 0.0
    raw: Counter[str] = field(default_factory=Counter)
    label: Counter[str] = field(default_factory=Counter)

    def add(self, run: list[dict[str, Any]]) -> None:
        """Count one run."""
        samples = samples_of_run(run)
        self.runs += 1
        self.rows += len(run)
        self.samples += len(samples)
        self.diverged += sum(not _finite(row) for row in run)
        self.seconds += sum(row["seconds"] for row in run)
        self.raw.update(s["raw"] for s in samples)
        self.label.update(s["label"] for s in samples)

    def line(self, name: str) -> str:
        """A row of the Markdown table."""
        counts = [self.raw[a] for a in ACTIONS] + [self.label[a] for a in ACTIONS]
        cells = [
            self.runs,
            self.rows,
            *counts,
            f"{self.diverged / max(1, self.rows):.1%}",
            f"{self.seconds:.0f}",
        ]
        return f"| {name} | " + " | ".join(str(c) for c in cells) + " |"


HEAD = """# Trials

Every row is one trial (`data_gen/schema.py` explains the columns): a checkpoint of a small training,
continued at 1.618, 1 and 0.618 times its learning rate. `python -m data_gen.label trials={place}`
makes samples of them.

Made by

    {command}

on {hardware}. Labels are counted before correction (raw)
and after it (Dong et al., 2021, section 3.3); a row is diverged when its trunk or a branch is. Seconds
are wall time of one process with one torch thread.

| task | runs | rows | raw raise | keep | lower | corrected raise | keep | lower | diverged | seconds |
|---|---|---|---|---|---|---|---|---|---|---|
"""


def write(out: str, command: str) -> None:
    """Write ``out/README.md`` for the trials below ``out``, a local directory."""
    tasks: dict[str, Counts] = {}
    axes: dict[str, Counter[str]] = {name: Counter() for name in ("optimizer", "data", "period")}
    whole = Counts()
    for _, table in store.read_all(out, schema.TRIAL):
        for run in runs_of(table):
            for counts in (tasks.setdefault(run[0]["task"], Counts()), whole):
                counts.add(run)
            for name, counter in axes.items():
                counter[str(run[0][name])] += len(run)
    lines = [counts.line(name) for name, counts in sorted(tasks.items())] + [whole.line("all")]
    text = HEAD.format(place=out, command=command.replace("; ", "\n    "), hardware=hardware()) + "\n".join(
        lines
    )
    for name, counter in axes.items():
        shares = ", ".join(f"{k} {v / whole.rows:.0%}" for k, v in sorted(counter.items(), key=_by_number))
        text += f"\n\nRows by {name}: {shares}."
    Path(out, "README.md").write_text(text + "\n", "utf-8")


def runs_of(table: pa.Table) -> list[list[dict[str, Any]]]:
    """The rows of each run of a part, in the order of their cycles."""
    rows = table.sort_by([("run_id", "ascending"), ("cycle", "ascending")]).to_pylist()
    return [list(run) for _, run in groupby(rows, key=lambda row: row["run_id"])]


def hardware() -> str:
    """Processor, cores, operating system and Python, in words."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{os.cpu_count()} cores of {model}, {platform.system()}, Python {platform.python_version()}"


def _by_number(item: tuple[str, int]) -> tuple[int, str]:
    return (int(item[0]), "") if item[0].isdigit() else (0, item[0])


def _finite(row: dict[str, Any]) -> bool:
    names = ("val_loss", "raise_val_loss", "keep_val_loss", "lower_val_loss")
    return all(row[name] and math.isfinite(row[name][-1]) for name in names)
