"""``python -m data_gen.label``: trials to corrected samples. Cheap and repeatable."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from data_gen import schema, store
from data_gen.samples import SAMPLE, samples_of_run
from tasks import cli
from tasks.errors import InputError


@dataclass(frozen=True, kw_only=True)
class LabelConfig:
    """Keys of ``configs/data_gen.label.yaml``, where each is explained."""

    trials: str
    out: str
    correction: str

    def __post_init__(self) -> None:
        if self.correction not in ("rerun", "none"):
            raise InputError(f"got correction={self.correction}, need rerun or none")


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
        by_task[_partition(path)].append(path)
    _remove_other_tasks(config.out, set(by_task))
    counts: Counts = {}
    total = 0
    with tqdm(total=len(parts), desc="label", unit=" parts", disable=not sys.stderr.isatty()) as bar:
        for task, paths in sorted(by_task.items()):
            counts[task] = {"raw": Counter(), "label": Counter()}
            path = f"{config.out.rstrip('/')}/task={task}/samples.parquet"
            with store.writing(path, SAMPLE) as writer:
                for table in _labelled(paths, config.correction == "rerun", bar):
                    writer.write_table(table)
                    total += len(table)
                    for column in ("raw", "label"):
                        counts[task][column].update(table[column].to_pylist())
    if not total:
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


def _labelled(paths: list[str], correction: bool, bar: Any) -> Iterator[pa.Table]:
    """Samples of each part. A run lies within one part, so parts are labelled one by one."""
    for path in paths:
        rows = store.read(path, schema.TRIAL).sort_by([("run_id", "ascending"), ("cycle", "ascending")])
        samples: list[dict[str, Any]] = []
        for _, run in groupby(rows.to_pylist(), key=lambda row: row["run_id"]):
            samples += samples_of_run(list(run), correction=correction)
        yield pa.Table.from_pylist(samples, schema=SAMPLE)
        bar.update()


def _remove_other_tasks(out: str, tasks: set[str]) -> None:
    """Drop samples of tasks that the trials no longer hold: the samples are those of the trials."""
    for path in store.parts(out) if store.is_directory(out) else []:
        if path.endswith("/samples.parquet") and _partition(path) not in tasks:
            store.delete(path)


def _partition(path: str) -> str:
    """The task in a part's path; InputError where there is none."""
    for piece in path.split("/"):
        if piece.startswith("task="):
            return piece.removeprefix("task=")
    raise InputError(f"{path} is not below a directory task=<name>; trials lie in trials/task=<name>/")


if __name__ == "__main__":
    sys.exit(cli.main("data_gen.label", LabelConfig, label))
