"""Classification of point clouds with a set transformer: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from tasks.base import Batch, Source, Splits
from tasks.classification import Classification
from tasks.data import solids
from tasks.data.synthetic import drawn
from tasks.nets.set_transformer import SetTransformer
from tasks.optimizers import lr_ranges


@dataclass(frozen=True, kw_only=True)
class CloudSetTransformer(Classification):
    """Name the solid on whose surface the points lie.

    Attributes:
        examples: training, validation and test rows.
        points: of a cloud.
        size: root mean square of a point's distance from the middle. At 1 every run begins with five
            epochs at chance, at 4 with two.
        noise: standard deviation of a coordinate, in units of ``size``.
        width: of the network.
        heads: of each attention.
        induced: points through which the points see each other.
        layers: blocks before pooling.
    """

    role = "evaluation"

    examples: tuple[int, int, int]
    points: int
    size: float
    noise: float
    width: int
    heads: int
    induced: int
    layers: int

    def load(self, source: Source) -> Splits:
        """``points`` float32 (n, points, 3) and ``label`` int64 (n,)."""
        name = f"clouds-{self.points}-{self.size}-{self.noise}"
        kind = {"points": self.points, "size": self.size, "noise": self.noise}
        return drawn(source, name, 2, self.examples, lambda rng, n: solids.clouds(rng, n, **kind))  # type: ignore[arg-type]

    def build(self) -> nn.Module:
        """The set transformer."""
        return SetTransformer(
            columns=3,
            width=self.width,
            heads=self.heads,
            induced=self.induced,
            layers=self.layers,
            outputs=solids.CLASSES,
        )

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = model(batch["points"])
        return scores

    scales: ClassVar = {
        "mini": {
            "examples": (768, 384, 768),
            "points": 32,
            "size": 4.0,
            "noise": 0.03,
            "width": 32,
            "heads": 2,
            "induced": 6,
            "layers": 1,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
        },
        "paper": {
            "examples": (20000, 2000, 4000),
            "points": 512,
            "size": 4.0,
            "noise": 0.02,
            "width": 128,
            "heads": 4,
            "induced": 32,
            "layers": 2,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-6, 1e-1)),
        },
    }
