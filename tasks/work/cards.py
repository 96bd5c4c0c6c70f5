"""Graphics cards: which worker has which, and how many workers a card has room for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import torch

USABLE = 0.9
"""Part of a card's memory that workers=auto fills: the allocator's fragments and peaks take the rest."""


class Used(NamedTuple):
    """What a worker says of its card after a unit, in bytes.

    Attributes:
        peak: the most that its allocator has held.
        held: what that holds now.
        taken: what everybody together takes of the card now: the worker's CUDA context, too.
        total: of the card.
    """

    peak: int
    held: int
    taken: int
    total: int


def used() -> Used | None:
    """Of this process's card; None where it has touched none."""
    if not torch.cuda.is_initialized():
        return None
    free, total = torch.cuda.mem_get_info()
    return Used(torch.cuda.max_memory_reserved(), torch.cuda.memory_reserved(), total - free, total)


def limit(share: float | None) -> None:
    """Let this process take no more than a share of its card's memory."""
    if share is not None and share < 1 and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(share)


def visible() -> tuple[str, ...]:
    """The cards of this process, as ``CUDA_VISIBLE_DEVICES`` names them."""
    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return tuple(named[:count]) if named else tuple(str(i) for i in range(count))


class Cards:
    """The cards of a job and how many workers may run.

    With ``share`` or a number of workers given, that is fixed. With neither, one worker a card begins; what
    its units take of the card says how many more fit, and a unit that takes more says how many fewer.

    Args:
        names: of the cards, as :func:`visible` gives them; none: the workers run elsewhere.
        most: workers that the processor has cores for, or that were asked for.
        fixed: whether ``most`` was asked for.
        share: of a card that a worker occupies; 0: not said.
    """

    def __init__(self, names: Iterable[str], *, most: int, fixed: bool = True, share: float = 0.0) -> None:
        self.names = tuple(names)
        self._most = most
        self._need = self._overhead = 0
        self._fit: int | None = None  # on one card
        if self.names and share:
            self._fit = max(1, int(1 / share + 1e-9)) if share <= 1 else 1
        elif self.names and not fixed:
            self._fit = 1
        self._measures = bool(self.names) and not share and not fixed

    @property
    def workers(self) -> int:
        """How many may run now."""
        return self._most if self._fit is None else min(self._most, self._fit * len(self.names))

    def saw(self, found: Used) -> None:
        """A unit is over: learn from what it took."""
        if not self._measures:
            return
        if self._fit == 1:  # alone on its card, but for what is not ours
            self._overhead = max(self._overhead, found.taken - found.held)
        self._need = max(self._need, found.peak + self._overhead)
        self._fit = max(1, int(USABLE * found.total / self._need))

    def free(self, taken: Iterable[str | None]) -> str | None:
        """The card with the fewest of the workers, whose cards are ``taken``; None where there is none."""
        count = Counter(taken)
        return min(self.names, key=lambda name: count[name], default=None)
