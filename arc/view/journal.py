"""What a controlled run leaves behind while it goes on: a JSONL file, and scalars for TensorBoard."""

from __future__ import annotations

import itertools
import json
import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch.distributed as dist

from arc._version import __version__
from arc.decision import Decision, RecoveryWarning
from arc.history.course import Call
from arc.history.losses import LossBuffer
from arc.history.movement import Movement
from arc.settings import Settings
from arc.view import tensorboard
from arc.view.plot import Logged

if TYPE_CHECKING:
    from arc.network.estimator import Estimator
    from arc.network.network import Network

FILE: Final = "arc.jsonl"
"""The log's name in the run's directory."""

OLD_NAMES: Final = {"total_epochs": "total_calls"}
"""Settings as earlier logs call them."""

LOSSES: Final = 128
"""Training losses kept per call: every one, every 2nd, every 4th..."""


class Journal:
    """Appends each call of ``step()`` to a log and to a TensorBoard writer, if there are any.

    A log's first line holds version, settings and a digest of the network; every other line is one call:
    ``epoch``, ``lr``, ``train_loss`` (their mean), ``val_loss``, ``distance`` (of the LR from the best, as
    estimated), ``train_losses`` (at most 128 of them; ``every`` says of which steps), ``movement`` of the
    weights and, where there was one, ``decision``. A line is written at once. A run that starts again in the
    same directory puts the earlier log aside; one that is resumed goes on where its checkpoint was made. In a
    distributed run rank 0 writes. What cannot be written (a full disk, a directory that vanished) is told
    once, and the training goes on without a log.

    Args:
        directory: of the log; made if need be.
        writer: a ``torch.utils.tensorboard.SummaryWriter``, or what has its ``add_scalar`` and ``add_text``.
        settings: the controller's.
        network: the controller's; its digest is in the log.
    """

    def __init__(
        self,
        directory: str | Path | None,
        writer: Any,
        settings: Settings,
        network: Network | Estimator | None = None,
    ) -> None:
        self._file = None if directory is None else Path(directory) / FILE
        self._writer = writer
        self._settings = plain(settings)
        self._network = "" if directory is None or network is None else network.digest()
        self._begun = False
        if writer is not None:
            tensorboard.check(writer)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)

    def losses(self, buffer: LossBuffer) -> list[float]:
        """The losses of the call that is ending, for :meth:`add`; none where nothing is logged."""
        return [] if self._file is None or not len(buffer) else buffer.call_values()

    def add(self, row: Logged, losses: Sequence[float], call: Call, decision: Decision | None) -> None:
        """Write one call."""
        if dist.is_available() and dist.is_initialized() and dist.get_rank():
            return
        if self._file is not None:
            thin = 2 ** max(0, math.ceil(math.log2(len(losses) / LOSSES))) if losses else 1
            line = {k: v for k, v in row._asdict().items() if k != "cosine"}  # that is part of the movement
            line |= {"train_losses": [float(f"{v:.7g}") for v in losses[::thin]]}
            every = thin * call.stride
            line |= {"every": every} if every > 1 else {}
            line |= {"movement": _moved(call.moved)}
            try:
                if not self._begun:
                    _begin(self._file, self._settings, self._network, call.epoch)
                _append(self._file, line | ({"decision": decision.as_dict()} if decision else {}))
            except OSError as error:
                warnings.warn(
                    f"cannot write {self._file}: {error}; the training goes on without a log",
                    RecoveryWarning,
                    stacklevel=4,
                )
                self._file = None
        if self._writer is not None:
            if not self._begun:
                tensorboard.hyperparameters(
                    self._writer, self._settings, results=("arc/train_loss", "arc/val_loss")
                )
            tensorboard.scalars(self._writer, row, decision)
        self._begun = True


class Seen(NamedTuple):
    """Training losses of a call, those of every ``every``-th step, and how the weights moved."""

    losses: list[float]
    every: int
    movement: Movement | None


def _moved(moved: Movement | None) -> dict[str, Any]:
    """How the weights moved, as a line has it: a few numbers to read, and ``weights``, all of them."""
    if moved is None:
        return {}
    away = moved.distance / moved.start if moved.start > 0 else math.nan
    told = {"whole": float(moved.finite), "moved": away, "shift": moved.shift, "cosine": moved.cosine}
    known = {name: value for name, value in told.items() if not math.isnan(value)}
    return {k: _short(v) for k, v in (known | {"weights": moved.packed()}).items()}


def _short(value: Any) -> Any:
    """A number, or a row of them, as JSON has it: seven digits, None for NaN."""
    if isinstance(value, list):
        return [_short(v) for v in value]
    return None if math.isnan(value) else float(f"{value:.7g}")


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
    calls: list[Logged]
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
    for number, line in enumerate(_lines(file), 1):
        try:
            row = json.loads(line)
            if "settings" in row:
                network = str(row.get("network", ""))
                settings = {OLD_NAMES.get(name, name): value for name, value in row["settings"].items()}
                continue
            told = row.get("movement", {})
            signs = told.get("cosine"), row.get("distance")
            call = Logged(row["epoch"], row["lr"], row["train_loss"], row["val_loss"], *signs)
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


def plain(settings: Settings) -> dict[str, Any]:
    """The settings as JSON's types; those of the policy among them."""
    values = vars(settings) | vars(settings.policy)
    kept = {k: v if isinstance(v, bool | int | float | str) else str(v) for k, v in values.items()}
    return {k: v for k, v in kept.items() if k != "policy" and values[k] is not None}


def _lines(file: Path) -> list[str]:
    """The finished lines."""
    return file.read_text("utf-8").split("\n")[:-1]


def _begin(file: Path, settings: dict[str, Any], network: str, epoch: int) -> None:
    """Keep of an earlier log what lies before ``epoch``; renamed into place, so it is never half there.

    The earlier log of a run that starts again stays under another name.
    """
    head = json.dumps({"arc": __version__, "network": network, "settings": settings})
    lines = _lines(file) if file.exists() else []
    earlier = [line for line in lines if epoch > 1 and _before(line, epoch)]
    if any(not _before(line, epoch) for line in lines[1:]):  # it holds calls that this run makes anew
        numbers = (n for n in itertools.count(1) if not _aside(file, n).exists())
        file.replace(_aside(file, next(numbers)))
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_text("\n".join([head, *earlier, ""]), "utf-8")
    temporary.replace(file)


def _aside(file: Path, number: int) -> Path:
    return file.with_name(f"{file.stem}-{number}{file.suffix}")


def _before(line: str, epoch: int) -> bool:
    try:
        row = json.loads(line)
        return "epoch" in row and int(row["epoch"]) < epoch
    except (ValueError, TypeError):
        return False  # damaged


def _append(file: Path, row: dict[str, Any]) -> None:
    """One write of one whole line: a reader sees all of it or none."""
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, (json.dumps(row) + "\n").encode())
    finally:
        os.close(handle)
