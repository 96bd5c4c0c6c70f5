"""What a controlled run leaves behind while it goes on: a JSONL file, and scalars for TensorBoard."""

from __future__ import annotations

import itertools
import json
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch.distributed as dist

from arc._version import __version__
from arc.decision import Decision, RecoveryWarning
from arc.folders import local
from arc.history.course import Call
from arc.history.losses import LossBuffer
from arc.history.movement import Movement
from arc.settings import Settings
from arc.view import tensorboard
from arc.view.journal import FILE, lines
from arc.view.plot import LogRow

if TYPE_CHECKING:
    from arc.network.estimator import Estimator
    from arc.network.network import Network

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
        self._file = None if directory is None else local("log_dir", directory) / FILE
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

    def add(self, row: LogRow, losses: Sequence[float], call: Call, decision: Decision | None) -> None:
        """Write one call."""
        if dist.is_available() and dist.is_initialized() and dist.get_rank():
            return
        if self._file is not None:
            thin = 2 ** max(0, math.ceil(math.log2(len(losses) / LOSSES))) if losses else 1
            line = {k: v for k, v in row._asdict().items() if k != "cosine"}  # that is part of the movement
            line |= {"train_losses": [float(f"{v:.7g}") for v in losses[::thin]]}
            every = max(thin * call.stride, call.steps if len(losses) == 1 else 1)  # one may stand for many
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


def plain(settings: Settings) -> dict[str, Any]:
    """The settings as JSON's types; those of the policy among them."""
    values = vars(settings) | vars(settings.policy)
    kept = {k: v if isinstance(v, bool | int | float | str) else str(v) for k, v in values.items()}
    return {k: v for k, v in kept.items() if k != "policy" and values[k] is not None}


def _begin(file: Path, settings: dict[str, Any], network: str, epoch: int) -> None:
    """Keep of an earlier log what lies before ``epoch``; renamed into place, so it is never half there.

    The earlier log of a run that starts again stays under another name.
    """
    head = json.dumps({"arc": __version__, "network": network, "settings": settings})
    written = lines(file) if file.exists() else []
    earlier = [line for line in written if epoch > 1 and _before(line, epoch)]
    if any(not _before(line, epoch) for line in written[1:]):  # it holds calls that this run makes anew
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
