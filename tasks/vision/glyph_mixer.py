"""Letters on photos with an MLP-Mixer: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from tasks.base import Source, Splits
from tasks.data import hub
from tasks.data.characters import characters
from tasks.nets.mixer import Mixer
from tasks.optimizers import lr_ranges
from tasks.vision._images import PublishedImages, ShiftedImages


@dataclass(frozen=True, kw_only=True)
class GlyphMixer(PublishedImages, ShiftedImages):
    """Name a letter in a font that was not seen in training, or the object of a small photo.

    The paper-scale network is Mixer-S of Tolstikhin et al., 2021, with the patches of a small image.

    Attributes:
        channels: of the images.
        patch: side of a patch in pixels.
        width: channels of a place.
        layers: mixer blocks.
        hidden: of their perceptrons over places and over channels.
    """

    role = "evaluation"

    channels: int
    patch: int
    width: int
    layers: int
    hidden: tuple[int, int]

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, channels, size, size) and ``label`` int64 (n,)."""
        if source.kind != "embedded":
            return self._published(source, hub.CIFAR10, self.channels)
        return characters("capitals", examples=self.examples, size=self.size, clutter=0.2, noise=0.03)

    def build(self) -> nn.Module:
        """The Mixer."""
        return Mixer(
            channels=self.channels,
            size=self.size,
            patch=self.patch,
            width=self.width,
            layers=self.layers,
            hidden=self.hidden,
            outputs=self.classes,
        )

    scales: ClassVar = {
        "mini": {
            "examples": (780, 312, 780),
            "limited": True,
            "size": 12,
            "channels": 1,
            "classes": 26,
            "patch": 4,
            "width": 32,
            "layers": 2,
            "hidden": (16, 64),
            "padding": 1,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
        },
        "paper": {
            "examples": (8000, 1000, 1000),
            "limited": False,
            "size": 32,
            "channels": 3,
            "classes": 10,
            "patch": 4,
            "width": 512,
            "layers": 8,
            "hidden": (256, 2048),
            "padding": 4,
            "batch_size": 128,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
