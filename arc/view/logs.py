"""Saved logs of trainings, read into one shape: CSV, JSONL, JSON, TensorBoard event files.

Lightning's ``metrics.csv`` and Hugging Face's ``trainer_state.json`` are among them.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

TRAIN_LOSS: Final = ("train_loss_step", "train_loss", "train/loss", "loss/train", "training_loss", "loss")
VAL_LOSS: Final = (
    "val_loss",
    "eval_loss",
    "valid_loss",
    "validation_loss",
    "val/loss",
    "eval/loss",
    "loss/val",
)
LR: Final = ("lr", "learning_rate", "train/learning_rate", "train/lr")
"""Names under which a value is looked for; of several, the one with the most values is taken."""

Row = Mapping[str, float]


class LogError(ValueError):
    """A log cannot be used; the message says what was found and what would do."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """What lies between two calls of ``step()``: an epoch, or an evaluation.

    Attributes:
        train_loss: at least one.
        val_loss: None if none was logged.
        lr: the last one logged, None if none was.
    """

    train_loss: tuple[float, ...]
    val_loss: float | None
    lr: float | None


def read(path: str | Path) -> list[Row]:
    """The rows of a log, in order: names to numbers; what is no number is left out.

    Args:
        path: a ``.csv``, ``.jsonl`` or ``.json`` file, an event file, or a folder with one of them.

    Raises:
        LogError: no such file, or one that cannot be read.
    """
    file = _file(Path(path))
    try:
        if "tfevents" in file.name:
            return _events(file)
        text = file.read_text("utf-8")
        records = _csv(text) if file.suffix in (".csv", ".tsv") else _json(text)
        records = [row for record in records for row in _steps(record)]
    except (ValueError, RecursionError, csv.Error) as error:
        raise LogError(f"cannot read {file}: {error}") from error
    return [{str(k): number for k, v in r.items() if (number := _number(v)) is not None} for r in records]


def calls(
    rows: Iterable[Row],
    *,
    train_loss: str | None = None,
    val_loss: str | None = None,
    lr: str | None = None,
) -> list[Interval]:
    """Cut a log where the controller would have been called.

    A call ends with every validation loss; where there is none, with every epoch (column ``epoch``), and
    where that is missing too, with every row. Losses after the last end are left out unless they are a
    whole epoch.

    Args:
        rows: as :func:`read` gives them.
        train_loss: its name in the log; found by itself where it is usual, as the other two.
        val_loss: its name.
        lr: its name.

    Raises:
        LogError: a name that the log does not have, or no training loss.
    """
    rows = list(rows)
    names = Counter(k for row in rows for k in row)
    train_name = _named(train_loss, TRAIN_LOSS, names)
    val_name = _named(val_loss, VAL_LOSS, names)
    lr_name = _named(lr, (*LR, *(n for n in names if n.startswith("lr-"))), names)  # Lightning's lr-SGD
    if train_name is None:
        raise LogError(f"no training loss among {', '.join(names) or 'nothing'}: name it with --train-loss")
    made: list[Interval] = []
    losses: list[float] = []
    current: float | None = None
    for i, row in enumerate(rows):
        losses += [row[train_name]] if train_name in row else []
        current = row.get(lr_name, current) if lr_name else None
        following = rows[i + 1] if i + 1 < len(rows) else {}
        if _ends(row, following, val_name) and losses:
            val = row.get(val_name) if val_name else None
            made.append(Interval(train_loss=tuple(losses), val_loss=val, lr=current))
            losses = []
    return made


def _ends(row: Row, following: Row, val_name: str | None) -> bool:
    if val_name is not None:
        return val_name in row
    if "epoch" not in row:
        return True
    # Fractional epochs (Hugging Face) end where the next row's whole number is larger.
    return "epoch" not in following or np.ceil(following["epoch"]) > np.ceil(row["epoch"])


def _named(given: str | None, usual: Sequence[str], names: Counter[str]) -> str | None:
    if given is None:
        return max((name for name in usual if name in names), key=lambda name: names[name], default=None)
    if given not in names:
        raise LogError(f"no {given!r} in the log, it has {', '.join(names) or 'nothing'}")
    return given


def _file(path: Path) -> Path:
    if path.is_dir():
        patterns = ("*.csv", "*.jsonl", "trainer_state.json", "*tfevents*")
        found = [file for pattern in patterns for file in sorted(path.glob(pattern))]
        if len(found) != 1:
            raise LogError(f"found {len(found)} logs in {path}, name one: {', '.join(f.name for f in found)}")
        return found[0]
    if not path.is_file():
        raise LogError(f"no file {path}")
    return path


def _csv(text: str) -> list[dict[str, Any]]:
    lines = text.splitlines()
    if not lines:
        raise ValueError("the file is empty")
    delimiter = max(",;\t", key=lines[0].count)
    return list(csv.DictReader(lines, delimiter=delimiter, restkey="more"))


def _json(text: str) -> list[dict[str, Any]]:
    """A list of records, one record a line, or Hugging Face's state with its ``log_history``."""
    try:
        whole = json.loads(text)
    except ValueError:
        whole = [json.loads(line) for line in text.splitlines() if line.strip()]
    if isinstance(whole, dict):
        whole = whole.get("log_history", [whole])
    if not isinstance(whole, list) or not all(isinstance(record, dict) for record in whole):
        raise ValueError("need one JSON object a line, a list of them, or an object with log_history")
    return whole


def _steps(record: dict[str, Any]) -> list[dict[str, Any]]:
    """A record of the controller's own log as one row per training loss, and one for the call."""
    losses = record.get("train_losses")
    if not isinstance(losses, list):
        return [record]
    return [*({"epoch": record.get("epoch"), "train_loss_step": loss} for loss in losses), record]


def _events(file: Path) -> list[Row]:
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError as error:
        raise ImportError("event files need tensorboard: pip install 'arc-lr[tensorboard]'") from error
    accumulator = EventAccumulator(str(file), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    by_step: dict[int, dict[str, float]] = {}
    tags = accumulator.Tags()
    for tag in tags["scalars"]:
        for event in accumulator.Scalars(tag):
            by_step.setdefault(event.step, {})[tag] = event.value
    return [by_step[step] for step in sorted(by_step)]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
