"""``python -m data_gen.label``: trials to corrected samples. Cheap and repeatable."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from arc.actions import Action
from data_gen import reading, store
from data_gen.samples import KEPT, samples_of
from tasks.errors import InputError
from tasks.work import cli, places


@dataclass(frozen=True, kw_only=True)
class LabelConfig:
    """Keys of ``configs/data_gen.label.yaml``, where each is explained."""

    trials: str
    out: str
    correction: str

    def __post_init__(self) -> None:
        if self.correction not in ("rerun", "none"):
            raise InputError(f"got correction={self.correction}, need rerun or none")


COLUMNS = [
    *KEPT,
    *(f"{a.label}_{what}" for a in Action for what in ("val_loss", "repeats")),
    *("rollout_val_loss", "chosen"),
]
"""What a label needs of a trial."""

PARTS = 128
"""Files that are labelled at a time."""
ROWS = 4096
"""Rows that are, about, of packs that are read in pieces."""

Counts = dict[str, dict[str, Counter[str]]]
"""Per task, ``raw`` and ``label``, the number of samples of each action."""


def label(config: LabelConfig) -> int:
    """Label all trials and print the counts before and after correction; the exit code."""
    parts = store.parts(config.trials)
    if not parts:
        raise InputError(
            f"no trials below {config.trials!r}; make some with python -m data_gen out={config.trials}"
        )
    by_task: dict[str, list[str]] = defaultdict(list)
    for path in parts:
        by_task[store.partition(path)].append(path)
    counts: Counts = {task: {"raw": Counter(), "label": Counter()} for task in sorted(by_task)}
    written = []
    with tqdm(total=len(parts), desc="label", unit=" parts", disable=not sys.stderr.isatty()) as bar:
        for task, paths in sorted(by_task.items()):
            for number, trials in enumerate(_batches(paths, bar)):
                samples = samples_of(trials, correction=config.correction == "rerun")
                written.append(places.join(config.out, f"task={task}", f"samples-{number:05}.parquet"))
                store.write(written[-1], samples)
                for column, counter in counts[task].items():
                    for found in pc.value_counts(samples[column]).to_pylist():
                        counter[found["values"]] += found["counts"]
    _remove_others(config.out, written)
    if not any(c["raw"].total() for c in counts.values()):
        raise InputError(f"none of the trials below {config.trials!r} has a finite trunk; lower lr_range")
    print(counts_table(counts))
    return 0


def counts_table(counts: Counts) -> str:
    """The counts per task and class, before and after correction, as text of under 80 columns."""
    lines = [f"{'':22}{'before correction':>24}{'after correction':>26}"]
    lines.append(f"{'task':22}" + "".join(f"{c:>8}" for c in ("raise", "keep", "lower")) * 2 + f"{'kept':>8}")
    both: dict[str, Counter[str]] = {"raw": Counter(), "label": Counter()}
    for task, columns in [*counts.items(), ("all", both)]:
        if task != "all":
            for name in both:
                both[name].update(columns[name])
        cells = "".join(f"{columns[n][a]:>8}" for n in ("raw", "label") for a in ("raise", "keep", "lower"))
        moved = columns["label"]["keep"] - columns["raw"]["keep"]
        share = 1 - moved / max(1, columns["raw"].total())
        lines.append(f"{task:22.22}{cells}{share:>8.0%}")
    return "\n".join(lines)


def _batches(paths: list[str], bar: Any) -> Iterator[pa.Table]:
    """The rows of some hundred parts at a time: a run lies within one part, so batches hold whole runs."""
    tables: list[pa.Table] = []
    for table in reading.once(paths, COLUMNS, bar=bar):
        tables.append(table)
        pieces = sum(len(t) for t in tables if reading.GROUPED in (t.schema.metadata or {}))
        if len(tables) == PARTS or pieces >= ROWS:
            yield _together(tables)
            tables = []
    if tables:
        yield _together(tables)


def _together(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(table.replace_schema_metadata() for table in tables)


def _remove_others(out: str, written: list[str]) -> None:
    """Drop what an earlier call left of other trials: the samples are those of the trials."""
    names = {_name(path) for path in written}
    for path in store.parts(out):
        if _name(path)[1].startswith("samples") and _name(path) not in names:
            store.delete(path)


def _name(path: str) -> tuple[str, str]:
    """Task and file of a path."""
    return store.partition(path), path.rsplit("/", 1)[-1]


if __name__ == "__main__":
    sys.exit(cli.main("data_gen.label", LabelConfig, label))
