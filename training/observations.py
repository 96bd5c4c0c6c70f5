"""What the network is fitted to: observations of trainings, how far the LR is off, and labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

FARTHEST: Final = 3.0
"""Decades beyond which a distance is cut off: farther is no other decision."""

RISEN: Final = 0.1
"""A net overfits whose validation loss has risen by this share of what it had fallen."""

Array = npt.NDArray[np.float32]
Strings = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Observations:
    """N observations of trainings.

    Attributes:
        windows, numbers: float32, (N, 100, 4) and (N, n), of :func:`arc.history.observation.observe`.
        distance: float32 (N,), log10(LR / best LR of the training), within :data:`FARTHEST`; NaN where the
            setting was not swept.
        soft: float32 (N, 3), how likely each action is the best one (:mod:`training.targets`); NaN where the
            training was not branched.
        label: int64 (N,), the corrected label; -1 likewise.
        losses: float32 (N, 3), validation losses at the branches' ends; NaN likewise.
        tasks, runs: N names and run ids.
        parameters, steps: int64 (N,), trained parameters, and optimizer steps a call.
    """

    windows: Array
    numbers: Array
    distance: Array
    soft: Array
    label: npt.NDArray[np.int64]
    losses: Array
    tasks: Strings
    runs: Strings
    parameters: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]

    def fingerprint(self) -> str:
        """A short hash of everything that is fitted to."""
        digest = hashlib.sha256()
        for name in ("windows", "numbers", "distance", "soft"):
            digest.update(np.ascontiguousarray(getattr(self, name)).data)
        return digest.hexdigest()[:12]

    def __len__(self) -> int:
        return len(self.windows)

    def select(self, rows: npt.NDArray[Any]) -> Self:
        """Those of an index or a mask."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Observations]) -> Self:
        """All of them, in order."""
        return cls(*(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(cls)))
