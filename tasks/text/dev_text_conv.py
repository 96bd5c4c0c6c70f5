"""Text classification with a convolutional network: for design decisions, neither trained on nor reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from tasks.nets.text_conv import TextConv
from tasks.optimizers import lr_ranges
from tasks.text._reviews import Reviews


@dataclass(frozen=True, kw_only=True)
class DevTextConv(Reviews):
    """Tell whose docstring a few words are from, or good from bad reviews.

    Attributes:
        kernels: words that each kind of convolution sees.
        filters: channels of each.
        classes: size of the head.
    """

    role = "development"
    packages = ("matplotlib", "networkx")

    kernels: tuple[int, ...]
    filters: int
    classes: int

    def build(self) -> nn.Module:
        """The convolutional classifier."""
        return TextConv(
            vocabulary=self.vocabulary,
            embedding=self.embedding,
            kernels=self.kernels,
            filters=self.filters,
            outputs=self.classes,
            dropout=0.5,
        )

    scales: ClassVar = {
        "mini": {
            "vocabulary": 400,
            "length": 10,
            "span": 80,
            "rows": 512,
            "embedding": 16,
            "kernels": (3,),
            "filters": 24,
            "classes": 2,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-4, 1e1), sgd=(1e-2, 1e2), momentum=(1e-3, 1e1)),
        },
        "paper": {
            "vocabulary": 20000,
            "length": 200,
            "span": 200,
            "rows": None,
            "embedding": 300,
            "kernels": (3, 4, 5),
            "filters": 100,
            "classes": 2,
            "batch_size": 50,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
