"""Named copies in files of one folder, which several runs may share."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from arc.folders import local
from arc.recovery.snapshot import Copy
from arc.tensors import rank

if TYPE_CHECKING:
    from arc.recovery.run_state import RunState


class Folder:
    """The files of one run on one rank: ``<run>-rank<r>-call<n>-<name>.pt``.

    The run's id is new for every object, so no two runs, and no two ranks, ever write the same file; it
    is inside the file too. A file appears whole or not at all. Files that the last two saved states refer to
    (:meth:`pin`) are neither deleted nor written again; those of older states go.

    Args:
        path: made if it is not there.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = local("rollback", path)
        self._made()
        self._run = uuid.uuid4().hex[:16]
        self._pinned: list[set[str]] = []

    def write(self, name: str, call: int, state: Any) -> str:
        """Write a state of plain types and tensors; the name of its file."""
        stem = f"{self._run}-rank{rank()}-call{call}-{name}"
        file = next(
            f for i in itertools.count() if not self._is_pinned(f := f"{stem}{f'-{i}' if i else ''}.pt")
        )
        partial = self._made() / f"{file}.partial"
        try:
            torch.save({"run": self._run, "file": file, "state": state}, partial)
            partial.replace(self.path / file)
        except Exception:
            partial.unlink(missing_ok=True)  # of a full disk
            raise
        return file

    def _made(self) -> Path:
        self.path.mkdir(parents=True, exist_ok=True)  # once more where somebody has cleared it away
        return self.path

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


class Files:
    """Copies by name, each in a file of its own: the file of one name may go.

    Args:
        run: what is copied.
        folder: made if it is not there.
    """

    def __init__(self, run: RunState, folder: str | Path) -> None:
        self._calls: dict[str, int] = {}
        self._run = run
        self._folder = Folder(folder)
        self._files: dict[str, str] = {}
        self._memory = Copy()  # of the copy that is being written

    @property
    def calls(self) -> dict[str, int]:
        """The copies whose files are there, and the call that each was taken in."""
        folder = self._folder.path
        return {name: call for name, call in self._calls.items() if (folder / self._files[name]).exists()}

    def take(self, name: str, call: int) -> None:
        """Copy the present state (TypeError: a state that no file can hold)."""
        self._run.fill(self._memory, call)
        self.put(name, self._memory)

    def get(self, name: str) -> Copy:
        """A copy (KeyError: there is none, or its file is gone)."""
        payload = read(self._folder.path / self._files[name])
        state = None if payload is None else self._run.decoded(payload)
        if state is None:
            raise KeyError(
                f"the file of the copy {name!r} is gone or of other parameters: {self._files[name]}"
            )
        return state

    def put(self, name: str, state: Copy) -> None:
        """Write a copy under a name, in place of another one."""
        file = self._folder.write(name, state.call, self._run.encoded(state))
        before = self._files.get(name)
        self._files[name], self._calls[name] = file, state.call
        if before is not None and before != file:
            self._folder.delete(before)

    def take_over(self, files: Mapping[str, str]) -> None:
        """Go on with files as far as they are there: in this folder, to which they may have been moved."""
        for name, file in files.items():
            payload = read(self._folder.path / file)
            if payload is not None and (state := self._run.decoded(payload)) is not None:
                self._files[name], self._calls[name] = file, state.call

    def drop(self, name: str) -> None:
        """Forget a copy; nothing happens if there is none."""
        if self._calls.pop(name, None) is not None:
            self._folder.delete(self._files.pop(name))

    def state_dict(self) -> dict[str, Any]:
        """The names of the files, which stay where they are."""
        self._folder.pin(set(self._files.values()))
        return {"folder": str(self._folder.path), "files": dict(self._files)}


def read(path: Path) -> Any:
    """The state in a file, on the CPU; None where the file is gone or is none of these."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    if not isinstance(found, dict) or found.get("file") != path.name:
        return None
    return found["state"]
