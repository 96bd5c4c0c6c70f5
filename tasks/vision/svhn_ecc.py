"""House numbers with VGG16 and error-correcting output codes (the paper's task 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions
from tasks.data.images import standardised
from tasks.nets.codes import CodedOutput
from tasks.nets.vgg import VGG
from tasks.optimizers import lr_ranges
from tasks.vision._house_numbers import MINI, PAPER, HouseNumbers


@dataclass(frozen=True, kw_only=True)
class SvhnECC(HouseNumbers):
    """Name the middle digit of a house number through its code word, bit by bit.

    Attributes:
        bits: length of a code word.
        stages: convolutions per stage; (2, 2, 3, 3, 3) is VGG16.
        width: channels of the first stage.
    """

    role = "zoo"
    together = True

    bits: int
    stages: tuple[int, ...]
    width: int

    def build(self) -> nn.Module:
        """The VGG, one output per bit."""
        network = VGG(stages=self.stages, width=self.width, outputs=self.bits)
        return CodedOutput(network, classes=self.classes, bits=self.bits)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Hinge loss, the mean over the bits; the predictions are each class's agreement with the bits."""
        codes = cast(CodedOutput, model).codes
        bits: Tensor = model(standardised(batch["image"]))
        return F.relu(1 - codes[batch["label"]] * bits).mean(), bits @ codes.T

    scales: ClassVar = {
        "mini": MINI | {"bits": 16, "stages": (1, 1, 1), "width": 8, "batch_size": 32},
        "paper": PAPER
        | {
            "bits": 16,
            "stages": (2, 2, 3, 3, 3),
            "width": 64,
            "lr_range": lr_ranges((1e-5, 1e-4)),
        },
    }
