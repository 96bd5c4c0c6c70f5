"""A small table with wrong labels and an MLP, which overfits: for design decisions only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Source, Splits, TaskError
from tasks.classification import Classification
from tasks.data.label_noise import noisy
from tasks.nets.mlp import mlp
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.seeding import derive


@dataclass(frozen=True, kw_only=True)
class DevOverfitTable(Classification):
    """Tell two kinds of tumour apart; at the LR that trains fastest the validation loss soon rises.

    Attributes:
        examples: training, validation and test rows; at most 569 in all.
        noise: share of the labels that are drawn anew, in every split.
        hidden: widths of the hidden layers.
    """

    role = "development"
    together = True

    examples: tuple[int, int, int]
    noise: float
    hidden: tuple[int, ...]

    def load(self, source: Source) -> Splits:
        """``x`` float32 (n, 30) and ``label`` int64 (n,)."""
        source.require_embedded()
        return noisy(tumours(self.examples), share=self.noise, classes=2)

    def build(self) -> nn.Module:
        """The MLP."""
        return mlp([30, *self.hidden, 2])

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = model(batch["x"])
        return scores

    scales: ClassVar = {
        "mini": {
            "examples": (240, 160, 169),
            "noise": 0.4,
            "hidden": (64, 64),
            "batch_size": 8,
            "lr_range": USUAL_LRS,
        },
        "paper": {
            "examples": (240, 160, 169),
            "noise": 0.4,
            "hidden": (1024, 1024, 1024),
            "batch_size": 16,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }


def tumours(examples: tuple[int, int, int]) -> Splits:
    """``x`` float32 (n, 30), standardised with the training rows, and ``label`` int64 (n,) of two kinds.

    Args:
        examples: training, validation and test rows; at most 569 in all (TaskError otherwise).

    Source: Wolberg et al., 1995, ``sklearn.datasets.load_breast_cancer``.
    """
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    if sum(examples) > len(table.target):
        raise TaskError(f"got examples={examples}, need at most {len(table.target)} in all")
    order = torch.randperm(len(table.target), generator=torch.Generator().manual_seed(derive("tumours")))
    rows = torch.split(order[: sum(examples)], list(examples))
    x, labels = torch.from_numpy(table.data), torch.from_numpy(table.target).long()
    mean, deviation = x[rows[0]].mean(0), x[rows[0]].std(0)
    parts: list[Batch] = [{"x": ((x[r] - mean) / deviation).float(), "label": labels[r]} for r in rows]
    return Splits(*parts)
