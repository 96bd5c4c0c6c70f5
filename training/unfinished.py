"""A fit as a unit of work. Killed, it goes on after its last saved epoch, to the same network."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from arc.network import weights
from tasks.base import Stateful
from tasks.work import folders, places
from tasks.work.answers import Stopped
from tasks.work.checkpoint import Checkpoint


class NetworkUnit(ABC):
    """A unit of work that fits a network and writes its directory.

    Attributes:
        config: the stage's; its ``epochs`` are those of the fit.
    """

    config: Any

    @property
    @abstractmethod
    def place(self) -> str:
        """The directory."""

    @property
    def path(self) -> str:
        """What is there when it is: the same, or in a store the last of its files."""
        return folders.proof(self.place, weights.CONFIG)

    @property
    def there(self) -> bool:
        """Whether it is made."""
        return places.is_there(self.path)

    @property
    def ticks(self) -> int:
        """One for each epoch."""
        return int(self.config.epochs)


class Unfinished:
    """Where a fit stands, in a file beside what it makes.

    Args:
        path: what the fit makes; None: nothing is saved.
        decisive: plain values that decide the fit. A state of others is not taken up.
    """

    def __init__(self, path: str | None = None, decisive: Mapping[str, Any] | None = None) -> None:
        self._file = None if path is None else Checkpoint(path)
        self._decisive = json.dumps(decisive, sort_keys=True, default=str)
        self._parts: Mapping[str, Stateful] = {}
        self._generator = torch.Generator()
        self.history: list[dict[str, Any]] = []

    def restore(self, parts: Mapping[str, Stateful], generator: torch.Generator) -> list[dict[str, Any]]:
        """Put network, optimizer and the like, and what draws for them, where the fit stood.

        Returns:
            What was noted of each epoch that is over, to which the fit adds; empty where it begins.
        """
        self._parts, self._generator = parts, generator
        state = self._file.read() if self._file is not None else None
        if state is not None and state["decisive"] == self._decisive:
            for name, part in parts.items():
                part.load_state_dict(state["parts"][name])
            generator.set_state(state["generator"])
            self.history += json.loads(state["history"])
        return self.history

    def epochs(self, count: int, tick: Callable[[], None]) -> Iterator[int]:
        """The numbers of the epochs to come, up to ``count``. Each must add a note to the history.

        ``tick`` is called for every epoch, of those that are over, too; where it raises Stopped, the fit is
        saved, unless it has ended.
        """
        for _ in self.history:
            tick()
        for epoch in range(len(self.history) + 1, count + 1):
            yield epoch
            if self._file is not None and self._file.due and epoch < count:
                self._save()
            try:
                tick()
            except Stopped:
                if epoch < count:
                    self._save()
                    raise

    def _save(self) -> None:
        if self._file is None:
            return
        self._file.write(
            {
                "decisive": self._decisive,
                "parts": {name: part.state_dict() for name, part in self._parts.items()},
                "generator": self._generator.get_state(),
                "history": json.dumps(self.history, default=float),
            }
        )

    def done(self) -> None:
        """What the fit makes is there."""
        if self._file is not None:
            self._file.delete()
