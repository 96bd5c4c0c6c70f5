"""``python -m data_gen.status``: what is there of a set of trials."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from data_gen import label, reading, schema, store
from data_gen.counts import Counts, by_task
from tasks.errors import InputError
from tasks.work import cli, places

COLUMNS = [*label.COLUMNS, "seed", "seconds"]
"""What labels, divergences and cost are counted from."""


@dataclass(frozen=True, kw_only=True)
class StatusConfig:
    """Keys of ``configs/data_gen.status.yaml``, where each is explained."""

    out: str
    task: Any
    runs: int | None
    seed: int | None
    labels: bool
    verify: bool

    def __post_init__(self) -> None:
        if self.runs is not None and self.runs < 1:
            raise InputError(f"got runs={self.runs}, need an integer >= 1 or null")

    def asked(self) -> list[str]:
        """Short names of the tasks that were asked for."""
        if self.task is None:
            return []
        from tasks import registry  # and with it torch, which is most of the memory of this stage

        return [registry.short_name(n) for n in registry.resolve(self.task)]


def status(config: StatusConfig) -> int:
    """Print the table, and the bad parts; the exit code."""
    found = {task: Counts() for task in config.asked()}
    bad: list[str] = []
    parts = store.parts(config.out)
    if not parts:
        raise InputError(
            f"no trials below {config.out!r}; make some with python -m data_gen out={config.out}"
        )
    deep = config.labels or config.verify
    seen = (
        _read(parts, config.seed, COLUMNS if not config.verify else None)
        if deep
        else _footers(parts, config.seed)
    )
    for counts in tqdm(seen, total=len(parts), desc="status", unit=" parts", disable=not sys.stderr.isatty()):
        if isinstance(counts, InputError):
            if not config.verify:
                raise counts
            bad.append(str(counts))
            continue
        for task, more in counts.items():
            if config.task is None or task in found:
                found.setdefault(task, Counts()).include(more)
    print(table(found, config.runs, labels=deep))
    for message in bad:
        print(f"bad: {message}")
    return 1 if bad else 0


def _footers(paths: Sequence[str], seed: int | None) -> Iterator[dict[str, Counts] | InputError]:
    """Runs and rows of each part, from its name and its footer; of a pack, the columns that tell them."""

    def attempt(path: str) -> dict[str, Counts] | InputError:
        try:
            if not places.stem(path).startswith("part-"):
                return _runs(path, seed)
            footer = store.footer(path)
            seeds = {found for i in range(footer.num_row_groups) for found in _seeds(footer.row_group(i))}
            if seed is not None and (None in seeds or len(seeds) > 1):
                return _runs(path, seed)
            counted = not footer.num_rows or seed is None or seeds == {seed}
            return {store.partition(path): Counts(runs=int(counted), rows=footer.num_rows * counted)}
        except InputError as error:
            return error

    return reading.ahead(attempt, paths)


def _seeds(group: Any) -> tuple[int | None, int | None]:
    """The least and the largest seed of a row group; None where its footer does not tell."""
    for i in range(group.num_columns):
        column = group.column(i)
        if column.path_in_schema == "seed":
            told = column.is_stats_set and column.statistics.has_min_max
            return (column.statistics.min, column.statistics.max) if told else (None, None)
    return None, None


def _runs(path: str, seed: int | None) -> dict[str, Counts]:
    trials = _of_seed(store.read(path, schema.TRIAL, ["run_id", "task", "seed"]), seed)
    return {
        task: Counts(runs=pc.count_distinct(rows["run_id"]).as_py(), rows=len(rows))
        for task, rows in by_task(trials).items()
    }


def _read(
    paths: Sequence[str], seed: int | None, columns: Sequence[str] | None
) -> Iterator[dict[str, Counts] | InputError]:
    """Everything that counts, from the rows themselves."""
    for _, trials in reading.stream(paths, schema.TRIAL, columns):
        if isinstance(trials, InputError):
            yield trials
            continue
        counts = {task: Counts() for task in by_task(trials)}
        for task, rows in by_task(_of_seed(trials, seed)).items():
            counts[task].add(rows)
        yield counts


def _of_seed(trials: pa.Table, seed: int | None) -> pa.Table:
    return trials if seed is None else trials.filter(pc.equal(trials["seed"], seed))


def table(found: dict[str, Counts], runs: int | None, *, labels: bool) -> str:
    """One line per task and one for all, in at most 80 columns."""
    head = f"{'task':20}  runs  missing   rows"
    lines = [head + "   raise   keep  lower diverged  s/row" * labels]
    everything = Counts()
    for name, one in sorted(found.items()):
        lines.append(_line(name, one, runs, labels))
        everything.include(one)
    lines.append(_line("all", everything, runs * len(found) if runs else None, labels))
    return "\n".join(lines)


def _line(name: str, one: Counts, runs: int | None, labels: bool) -> str:
    missing = "" if runs is None else str(max(0, runs - one.runs))
    start = f"{name:20.20}{one.runs:>6}{missing:>9}{one.rows:>7}"
    if not labels:
        return start
    labelled = max(1, one.label.total())
    shares = (f"{one.label[action] / labelled:.0%}" for action in ("raise", "keep", "lower"))
    shown = "{:>8}{:>7}{:>7}".format(*shares)
    per_row = one.seconds / max(1, one.rows)
    return f"{start}{shown}{one.diverged:>9}{per_row:>7.1f}"


if __name__ == "__main__":
    sys.exit(cli.main("data_gen.status", StatusConfig, status, logged=False))
