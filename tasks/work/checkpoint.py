"""The file of an unfinished unit beside the part that it will write: what lets it go on after a kill."""

from __future__ import annotations

import io
import pickle
import time
from typing import Any

import torch

from tasks.errors import InputError
from tasks.work import places

SAVE_SECONDS = 60.0
"""From one checkpoint to the next: at the first possible moment after so long."""


class Checkpoint:
    """The state of a unit, for whoever takes it up again; a local path or a URI.

    Args:
        part: the file that the unit writes when it is done.
    """

    def __init__(self, part: str) -> None:
        self._place = places.beside(part, ".checkpoint")
        self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._saved >= SAVE_SECONDS

    def read(self) -> dict[str, Any] | None:
        """What was saved; None where nothing was, or what was cannot be gone on from."""
        if not places.exists(self._place):
            return None
        try:
            content = places.read_bytes(self._place)
            state: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):  # damaged: the unit begins anew
            return None
        return state if state.get("torch") == str(torch.__version__) else None

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file in one move: a kill leaves the old one or the new one.

        Args:
            state: plain types and tensors.

        Raises:
            InputError: the place cannot be written to.
        """
        buffer = io.BytesIO()
        torch.save(state | {"torch": str(torch.__version__)}, buffer)
        try:
            places.write_bytes(self._place, buffer.getvalue())
        except OSError as error:
            raise InputError(f"cannot write {self._place}: {error}; free the disk") from error
        self._saved = time.monotonic()

    def delete(self) -> None:
        """The unit is done."""
        if places.exists(self._place):
            places.delete(self._place)
