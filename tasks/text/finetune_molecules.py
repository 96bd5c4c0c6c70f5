"""Fine-tuning of a dilated network on other groups of atoms: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Source, Splits
from tasks.classification import Classification
from tasks.data import molecules
from tasks.data.synthetic import drawn
from tasks.nets.pretrained import load_pretrained, trained
from tasks.nets.temporal import TokenTemporal, WithHead
from tasks.optimizers import lr_ranges


@dataclass(frozen=True, kw_only=True)
class FinetuneMolecules(Classification):
    """Find the group in a molecule's formula, beginning with a net that finds other groups.

    Attributes:
        examples: training, validation and test rows.
        groups: the set of them.
        length: characters of a formula.
        misread: share of them in whose place stands any one; without it the task is soon solved. In training
            as many others are misread anew in every epoch: without that the strings are learned by heart.
        width: channels.
        layers: residual convolutions.
        pretraining: epochs of the first training, made when it is first needed; 0 begins at random.
    """

    role = "evaluation"

    examples: tuple[int, int, int]
    groups: str
    length: int
    misread: float
    width: int
    layers: int
    pretraining: int

    def load(self, source: Source) -> Splits:
        """``text`` int64 (n, length) and ``label`` int64 (n,)."""
        groups, length, misread = self.groups, self.length, self.misread
        name = f"molecules-{groups}-{length}-{misread}"
        return drawn(
            source,
            name,
            1,
            self.examples,
            lambda rng, n: molecules.strings(rng, n, groups=groups, length=length, misread=misread),
        )

    def build(self) -> nn.Module:
        """The network with a fresh head."""
        vocabulary = len(molecules.ALPHABET)
        body = TokenTemporal(vocabulary=vocabulary, width=self.width, layers=self.layers)
        if self.pretraining:
            size = f"{self.width}-{self.layers}-{self.length}-{self.misread}"
            key = f"{size}-{self.pretraining}-{torch.__version__}"
            load_pretrained(body, f"pretrained-groups-{key}", 2, self._pretrained)
        return WithHead(body, self.width, len(molecules.GROUPS[self.groups]))

    def _pretrained(self) -> nn.Module:
        counts = (1536, 8, 8)
        first = replace(self, groups="first", examples=counts, batch_size=32, pretraining=0)
        return trained(first, self.pretraining, "adam").get_submodule("body")

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = model(batch["text"])
        return scores

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Other characters misread."""
        text = batch["text"]
        wrong = (torch.rand(text.shape, generator=generator) < self.misread).to(text.device) & (text > 0)
        other = torch.randint(1, len(molecules.ALPHABET), text.shape, generator=generator).to(text.device)
        return {**batch, "text": torch.where(wrong, other, text)}

    scales: ClassVar = {
        "mini": {
            "examples": (768, 256, 768),
            "groups": "second",
            "length": 32,
            "misread": 0.2,
            "width": 24,
            "layers": 3,
            "pretraining": 4,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
        },
        "paper": {
            "examples": (4000, 1000, 4000),
            "groups": "second",
            "length": 96,
            "misread": 0.15,
            "width": 256,
            "layers": 6,
            "pretraining": 12,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-6, 1e-1)),
        },
    }
