"""Fine-tuning of a CNN that names outlines to patterns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import nn

from tasks.base import Source, Splits
from tasks.data.dishes import CLASSES, dishes
from tasks.data.silhouettes import silhouettes
from tasks.nets.convnet import ConvNet
from tasks.nets.pretrained import load_pretrained, trained
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.vision._images import Images, ShiftedImages


@dataclass(frozen=True, kw_only=True)
class FinetuneTextures(ShiftedImages, Images):
    """Name the pattern on a plate, beginning with the convolutions of a net that names silhouettes.

    That net is trained when it is first needed; the head begins at random.

    Attributes:
        widths: channels of each stage.
        outlines: whether the images are silhouettes, those of the first training.
        pretraining: its epochs; 0 begins at random.
    """

    role = "zoo"
    together = True

    widths: tuple[int, ...]
    outlines: bool
    pretraining: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 3, size, size) and ``label`` int64 (n,)."""
        source.require_embedded()
        return (silhouettes if self.outlines else dishes)(self.examples, self.size)

    def build(self) -> nn.Module:
        """The CNN with a fresh head."""
        net = ConvNet(channels=3, widths=self.widths, size=self.size, outputs=len(CLASSES))
        if self.pretraining:
            numbers = (self.examples[0], *self.widths, self.pretraining, torch.__version__)
            key = f"{self.size}px-{'-'.join(map(str, numbers))}"
            load_pretrained(net.body, f"pretrained-silhouettes-{key}", 2, self._pretrained)
        return net

    def _pretrained(self) -> nn.Module:
        first = replace(self, outlines=True, examples=(2 * self.examples[0], 20, 20), pretraining=0)
        return trained(first, self.pretraining).get_submodule("body")

    scales: ClassVar = {
        "mini": {
            "examples": (960, 400, 600),
            "size": 16,
            "widths": (8, 16),
            "padding": 2,
            "outlines": False,
            "pretraining": 15,
            "batch_size": 32,
            "lr_range": USUAL_LRS,
        },
        "paper": {
            "examples": (5000, 1000, 5000),
            "size": 32,
            "widths": (64, 128, 256, 512),
            "padding": 4,
            "outlines": False,
            "pretraining": 20,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
