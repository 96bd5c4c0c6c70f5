"""Fine-tuning of a pretrained CNN on other letters: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Source, Splits
from tasks.data import hub, labelled_images
from tasks.data.characters import ALPHABETS, characters
from tasks.nets.convnet import ConvNet
from tasks.nets.pretrained import load_pretrained, trained
from tasks.optimizers import lr_ranges
from tasks.recipe import Recipe
from tasks.vision._images import Images, ShiftedImages


@dataclass(frozen=True, kw_only=True)
class FinetuneConvNet(ShiftedImages, Images):
    """Name a Greek letter, beginning with the convolutions of a net that names Latin ones.

    That net is trained on embedded data when it is first needed; the head begins at random.

    Attributes:
        classes: size of the head.
        widths: channels of each stage.
        script: of the embedded data.
        pretraining: epochs on the Latin letters; 0 begins at random.
    """

    role = "evaluation"

    classes: int
    widths: tuple[int, ...]
    script: str
    pretraining: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, channels, size, size) and ``label`` int64 (n,)."""
        if source.kind == "embedded":
            return characters(self.script, examples=self.examples, size=self.size, clutter=0.4, noise=0.05)
        return labelled_images.load(
            source, hub.CIFAR10, size=self.size, classes=self.classes, limit=self.examples
        )

    def build(self) -> nn.Module:
        """The CNN with a fresh head."""
        net = ConvNet(channels=1, widths=self.widths, size=self.size, outputs=self.classes)
        if self.pretraining:
            key = f"{self.size}px-{'-'.join(map(str, self.widths))}-{self.pretraining}-{torch.__version__}"
            load_pretrained(net.body, f"pretrained-latin-{key}", 1, self._pretrained)
        return net

    def _pretrained(self) -> nn.Module:
        counts, classes = (1280, 26, 26), len(ALPHABETS["latin"])
        latin = replace(self, script="latin", examples=counts, classes=classes, batch_size=32, pretraining=0)
        return trained(latin, self.pretraining).get_submodule("body")

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = model(batch["image"].float().mean(1, keepdim=True) / 127.5 - 1)
        return scores

    scales: ClassVar = {
        "mini": {
            "examples": (480, 240, 720),
            "size": 12,
            "classes": 24,
            "widths": (8, 16),
            "padding": 1,
            "script": "greek",
            "pretraining": 20,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
        },
        "medium": {
            "examples": (4800, 480, 960),
            "size": 32,
            "classes": 24,
            "widths": (32, 64, 128, 256),
            "padding": 4,
            "script": "greek",
            "pretraining": 20,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
            "recipe": Recipe(epoch_steps=100, weight_decay=0.05),
        },
        "paper": {
            "examples": (4500, 500, 10000),
            "size": 32,
            "classes": 10,
            "widths": (64, 128, 256, 512),
            "padding": 4,
            "script": "greek",
            "pretraining": 20,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-6, 1e-2)),
        },
    }
