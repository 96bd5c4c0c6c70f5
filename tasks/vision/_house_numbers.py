"""What the tasks on house numbers share: data, augmentation, cross-entropy, accuracy, numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor, nn

from tasks.base import Batch, Source, Splits
from tasks.data import hub
from tasks.data.digits import house_numbers
from tasks.data.images import standardised
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.vision._images import PublishedImages, ShiftedImages


@dataclass(frozen=True, kw_only=True)
class HouseNumbers(PublishedImages, ShiftedImages):
    """Name the middle digit of a house number."""

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 3, size, size) and ``label`` int64 (n,)."""
        if source.kind != "embedded":
            return self._published(source, hub.SVHN)
        return house_numbers(self.examples, self.size)

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = model(standardised(batch["image"]))
        return scores


MINI: Final[dict[str, Any]] = {
    "examples": (800, 400, 400),
    "limited": True,
    "size": 12,
    "padding": 1,
    "classes": 10,
    "lr_range": USUAL_LRS,
}
"""Their numbers at mini scale."""

SVHN: Final[dict[str, Any]] = {
    "examples": (8000, 1000, 1000),
    "limited": False,
    "size": 32,
    "classes": 10,
    "batch_size": 128,
}
"""Numbers of the published data, whoever names them."""

PAPER: Final = SVHN | {"padding": 0, "lr_range": lr_ranges((1e-5, 1e-3))}
"""Their numbers at the paper's."""
