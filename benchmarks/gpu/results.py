"""The results so far: a file that only grows, and the table made of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks import lines
from benchmarks.gpu.plan import Job

OK: Final = "ok"
Row = dict[str, Any]


class File:
    """``results.jsonl`` in a folder, with the table and the log beside it.

    A row has ``part``, ``job`` and ``status`` (``ok``, or why not); one of a result ``what``, ``said`` (for
    the table) and ``values`` too; the last one of a job its ``seconds`` and what ``decides`` it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "results.jsonl"
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, row: Row) -> None:
        """Add one row; what is no finite number is None."""
        lines.append(self.path, _plain(row))

    def rows(self) -> list[Row]:
        """All rows, oldest first."""
        return [row for row in lines.read(self.path) if {"part", "job", "status"} <= set(row)]

    def last(self) -> dict[str, Row]:
        """The last row of each job that has ended, by the job's name."""
        return {row["job"]: row for row in self.rows() if "seconds" in row}

    def ended(self, job: Job, status: str, seconds: float = 0.0) -> None:
        """A job is over; the table is written anew."""
        row = {"part": job.part, "job": job.name, "status": status, "seconds": seconds}
        self.add({**row, "decides": job.decisive})
        self.write_table(table(self.rows()))

    def is_done(self, job: Job) -> bool:
        """Whether a job need not be run again; the machine may be another one."""
        row = self.last().get(job.name)
        same = row is not None and row["status"] == OK and row.get("decides") == _plain(job.decisive)
        return same and job.part != "m"

    def write_table(self, table: str) -> None:
        """Replace the table in one move."""
        partial = self.folder / "table.md.partial"
        partial.write_text(table + "\n", "utf-8")
        partial.replace(self.folder / "table.md")

    def log(self, text: str) -> None:
        """Add to the log."""
        with (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(text)


def table(rows: Iterable[Row]) -> str:
    """Markdown: a line for each result, and for each job that brought none."""
    head = "| part | what | result | s |\n|---|---|---|--:|"
    return "\n".join([head, *(_line(row) for row in _latest(rows))])


def _latest(rows: Iterable[Row]) -> Iterator[Row]:
    """The results of each job's last run, and its end where that says more."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        seen = found.setdefault(row["job"], [])
        if seen and "seconds" in seen[-1]:  # the job was run once more
            seen.clear()
        seen.append(row)
    for seen in sorted(found.values(), key=lambda of_job: of_job[0]["part"].replace("m", "")):
        told = [row for row in seen if "what" in row]
        ended = seen[-1] if "seconds" in seen[-1] else None
        if ended is not None and told and ended["status"] == OK:
            told[-1] = {**told[-1], "seconds": ended["seconds"]}
            yield from told
        else:
            yield from told
            if ended is not None:
                yield {**ended, "what": ended["job"], "said": ended["status"]}


def _line(row: Mapping[str, Any]) -> str:
    seconds = row.get("seconds")
    said = " ".join(str(row["said"]).replace("|", "/").split())
    if row["status"] != OK:
        said = f"**{said}**"
    part = "" if row["part"] == "m" else row["part"]
    return f"| {part} | {row['what']} | {said} | {'' if seconds is None else f'{seconds:.0f}'} |"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
