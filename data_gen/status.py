"""``python -m data_gen.status``: what is there of a set of trials."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
from tqdm import tqdm

from data_gen import schema, store
from data_gen.counts import Counts, by_task
from tasks import registry
from tasks.errors import InputError
from tasks.work import cli


@dataclass(frozen=True, kw_only=True)
class StatusConfig:
    """Keys of ``configs/data_gen.status.yaml``, where each is explained."""

    out: str
    task: Any
    runs: int | None
    seed: int | None
    verify: bool

    def __post_init__(self) -> None:
        if self.runs is not None and self.runs < 1:
            raise InputError(f"got runs={self.runs}, need an integer >= 1 or null")

    def asked(self) -> list[str]:
        """Short names of the tasks that were asked for."""
        return [] if self.task is None else [registry.short_name(n) for n in registry.resolve(self.task)]


def status(config: StatusConfig) -> int:
    """Print the table, and the bad parts; the exit code."""
    found = {task: Counts() for task in config.asked()}
    bad: list[str] = []
    parts = store.parts(config.out)
    stream = store.stream(parts, schema.TRIAL)
    for _, trials in tqdm(
        stream, total=len(parts), desc="status", unit=" parts", disable=not sys.stderr.isatty()
    ):
        if isinstance(trials, InputError):
            if not config.verify:
                raise trials
            bad.append(str(trials))
            continue
        if config.seed is not None:
            trials = trials.filter(pc.equal(trials["seed"], config.seed))
        for task, rows in by_task(trials).items():
            if config.task is None or task in found:
                found.setdefault(task, Counts()).add(rows)
    if not parts:
        raise InputError(
            f"no trials below {config.out!r}; make some with python -m data_gen out={config.out}"
        )
    print(table(found, config.runs))
    for message in bad:
        print(f"bad: {message}")
    return 1 if bad else 0


def table(found: dict[str, Counts], runs: int | None) -> str:
    """One line per task and one for all, in at most 80 columns."""
    lines = [f"{'task':20}  runs  missing   rows   raise   keep  lower diverged  s/row"]
    everything = Counts()
    for name, one in sorted(found.items()):
        lines.append(_line(name, one, runs))
        for attribute in ("runs", "rows", "diverged", "seconds"):
            setattr(everything, attribute, getattr(everything, attribute) + getattr(one, attribute))
        everything.label.update(one.label)
    lines.append(_line("all", everything, runs * len(found) if runs else None))
    return "\n".join(lines)


def _line(name: str, one: Counts, runs: int | None) -> str:
    missing = "" if runs is None else str(max(0, runs - one.runs))
    labelled = max(1, one.label.total())
    shares = (f"{one.label[action] / labelled:.0%}" for action in ("raise", "keep", "lower"))
    shown = "{:>8}{:>7}{:>7}".format(*shares)
    per_row = one.seconds / max(1, one.rows)
    return f"{name:20.20}{one.runs:>6}{missing:>9}{one.rows:>7}{shown}{one.diverged:>9}{per_row:>7.1f}"


if __name__ == "__main__":
    sys.exit(cli.main("data_gen.status", StatusConfig, status, logged=False))
