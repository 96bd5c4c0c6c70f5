"""Copies in files of one folder, which several runs may share."""

from __future__ import annotations

import itertools
import os
import uuid
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist


class Folder:
    """The files of one run on one rank: ``<run>-rank<r>-call<n>-<name>.pt``.

    The run's id is new for every object, so no two runs, and no two ranks, ever write the same file; it
    is inside the file too. A file appears whole or not at all. Files that the last two saved states refer to
    (:meth:`pin`) are neither deleted nor written again; those of older states go.

    Args:
        path: made if it is not there.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self._run = uuid.uuid4().hex[:16]
        self._pinned: list[set[str]] = []

    def write(self, name: str, call: int, state: Any) -> str:
        """Write a state of plain types and tensors; the name of its file."""
        stem = f"{self._run}-rank{rank()}-call{call}-{name}"
        file = next(
            f for i in itertools.count() if not self._is_pinned(f := f"{stem}{f'-{i}' if i else ''}.pt")
        )
        partial = self.path / f"{file}.partial"
        torch.save({"run": self._run, "file": file, "state": state}, partial)
        partial.replace(self.path / file)
        return file

    def pin(self, files: set[str]) -> None:
        """A state that refers to these files was saved: they stay, those of the third last state may go."""
        self._pinned.append(set(files))
        if len(self._pinned) > 2:
            for file in self._pinned.pop(0):
                self.delete(file)

    def delete(self, file: str) -> None:
        """Delete a file of this run, unless it is pinned; another run's stays."""
        if file.startswith(self._run) and not self._is_pinned(file):
            (self.path / file).unlink(missing_ok=True)

    def _is_pinned(self, file: str) -> bool:
        return any(file in files for files in self._pinned)


def read(path: Path) -> Any:
    """The state in a file, on the CPU; None where the file is gone or is none of these."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    if not isinstance(found, dict) or found.get("file") != path.name:
        return None
    return found["state"]


def rank() -> int:
    """This process's rank: the process group's, else ``RANK``'s, else 0."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank()
    return int(os.environ.get("RANK", "0"))
