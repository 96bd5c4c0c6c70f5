"""What decides a candidate."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from tasks.errors import InputError
from tasks.work import places
from tasks.work.executor import Executed, Executor
from training.distill import fingerprint
from training.targets import KINDS

SCHEDULES = ("constant", "cosine")
"""Of the training's own LR: the paper's, or half a cosine down to 0."""

PRECISIONS = ("float32", "bfloat16")
"""Of the products in forward and backward passes; weights, loss and optimizer are float32 in both."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Executed):
    """Keys of ``configs/training.yaml``, where each is explained."""

    samples: str
    out: str
    candidates: int
    epochs: int
    batch_size: int
    lr: float
    schedule: str
    targets: str
    teachers: str | None
    binary: float
    holdout: float
    blank: float
    precision: str
    seed: int
    device: str
    tensorboard: str | None = None

    def __post_init__(self) -> None:
        for name in ("candidates", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"got {name}={getattr(self, name)}, need an integer >= 1")
        places.check_local("tensorboard", self.tensorboard)
        for name, known in (("targets", KINDS), ("schedule", SCHEDULES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise InputError(f"got {name}={getattr(self, name)}, need {' or '.join(known)}")
        super().__post_init__()
        if not 0 < self.lr < math.inf:
            raise InputError(f"got lr={self.lr}, need a positive number")
        if not 0 < self.holdout < 1:
            raise InputError(f"got holdout={self.holdout}, need a share between 0 and 1")
        for name in ("blank", "binary"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"got {name}={getattr(self, name)}, need a number from 0 to 1")

    def recipe(self) -> dict[str, Any]:
        """What decides a candidate, besides seed and samples; of teachers, a hash of their weights."""
        elsewhere = {"samples", "out", "candidates", "tensorboard", *(f.name for f in fields(Executor))}
        found = {name: value for name, value in asdict(self).items() if name not in elsewhere}
        return found | {"teachers": self.teachers and fingerprint(self.teachers)}
