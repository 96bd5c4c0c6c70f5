"""The log of a controlled run, read: a JSONL file that :mod:`arc.view.log_writer` writes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from arc.decision import Decision
from arc.history.movement import Movement
from arc.view.plot import LogRow

FILE: Final = "arc.jsonl"
"""The log's name in the run's directory."""

OLD_NAMES: Final = {"total_epochs": "total_calls"}
"""Settings as earlier logs call them."""


class Seen(NamedTuple):
    """Training losses of a call, those of every ``every``-th step, and how the weights moved."""

    losses: list[float]
    every: int
    movement: Movement | None


def _long(value: Any) -> Any:
    if isinstance(value, list):
        return [_long(v) for v in value]
    return math.nan if value is None else float(value)


@dataclass(frozen=True, kw_only=True)
class RunLog:
    """A log, read.

    Attributes:
        settings: of the controller; empty if the file has none.
        calls, decisions: oldest first.
        skipped: damaged lines that were left out.
        seen: of each call what else the controller saw.
        network: the digest of the controller's network; empty if the file has none.
    """

    settings: dict[str, Any]
    calls: list[LogRow]
    decisions: list[Decision]
    skipped: int = 0
    seen: list[Seen] = field(default_factory=list)
    network: str = ""


def read(directory: str | Path) -> RunLog:
    """The log in a run's directory, or of a file; damaged and unfinished lines are left out and counted.

    Raises:
        ValueError: no log there, or one without a line of ours.
    """
    file = Path(directory)
    file = file / FILE if file.is_dir() else file
    if not file.is_file():
        raise ValueError(f"no {file}; write one with arc.Controller(..., log_dir={str(file.parent)!r})")
    settings: dict[str, Any] = {}
    network = ""
    calls, decisions, seen = [], [], []
    skipped, problem = 0, ""
    for number, line in enumerate(lines(file), 1):
        try:
            row = json.loads(line)
            if "settings" in row:
                network = str(row.get("network", ""))
                settings = {OLD_NAMES.get(name, name): value for name, value in row["settings"].items()}
                continue
            told = row.get("movement", {})
            signs = told.get("cosine"), row.get("distance")
            call = LogRow(row["epoch"], row["lr"], row["train_loss"], row["val_loss"], *signs)
            decision = Decision.from_dict(row["decision"]) if "decision" in row else None
            weights = told.get("weights")
            movement = None if weights is None else Movement.unpacked(_long(weights))
            losses = [float(v) for v in row.get("train_losses", ())]
            looked = Seen(losses, int(row.get("every", 1)), movement)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            skipped, problem = skipped + 1, f"line {number} is not of a controller's log: {error!r}"
            continue
        calls.append(call)
        seen.append(looked)
        decisions += [] if decision is None else [decision]
    if skipped and not calls:
        raise ValueError(f"{file}, {problem}")
    return RunLog(
        settings=settings, calls=calls, decisions=decisions, skipped=skipped, seen=seen, network=network
    )


def is_log(path: str | Path) -> bool:
    """Whether a file, or a directory's :data:`FILE`, begins as a controller's log does."""
    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.readline(4096).startswith(b'{"arc":')


def lines(file: Path) -> list[str]:
    """The finished lines."""
    return file.read_text("utf-8").split("\n")[:-1]
