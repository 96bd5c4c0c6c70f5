"""Labels of a series' steps with a bidirectional GRU: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from tasks.base import Batch, Source, Splits
from tasks.classification import Classification
from tasks.data import signals
from tasks.data.synthetic import drawn
from tasks.nets.temporal import Labeller
from tasks.optimizers import lr_ranges


@dataclass(frozen=True, kw_only=True)
class RegimesBiGRU(Classification):
    """Say for every step of a series which of four laws moves it.

    Attributes:
        examples: training, validation and test rows.
        length: steps.
        stay: chance that the law of a step stays.
        hidden: state of each direction.
    """

    role = "evaluation"

    examples: tuple[int, int, int]
    length: int
    stay: float
    hidden: int

    def load(self, source: Source) -> Splits:
        """``series`` float32 (n, length, 2) and ``label`` int64 (n, length)."""
        length, stay = self.length, self.stay
        name = f"regimes-{length}-{stay}"
        return drawn(
            source, name, 1, self.examples, lambda rng, n: signals.regimes(rng, n, length=length, stay=stay)
        )

    def build(self) -> nn.Module:
        """The GRU."""
        return Labeller(channels=2, hidden=self.hidden, outputs=4)

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        """Of the steps: (n, 4, length)."""
        scores: Tensor = model(batch["series"]).transpose(1, 2)
        return scores

    scales: ClassVar = {
        "mini": {
            "examples": (512, 128, 256),
            "length": 24,
            "stay": 0.9,
            "hidden": 16,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
        },
        "paper": {
            "examples": (20000, 2000, 4000),
            "length": 256,
            "stay": 0.97,
            "hidden": 256,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-6, 1e-1)),
        },
    }
