"""What the tasks share that detect digits on grey paper: data, moved scenes, numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import torch

from tasks.base import Batch, Role, Source, Splits, Task
from tasks.data import digit_scenes
from tasks.data.digit_scenes import DigitScenes
from tasks.optimizers import LOW_SGD_LRS, lr_ranges


@dataclass(frozen=True, kw_only=True)
class DigitDetection(Task):
    """Where are which digits.

    Attributes:
        scenes: the data.
    """

    role: ClassVar[Role] = "zoo"

    scenes: DigitScenes

    def load(self, source: Source) -> Splits:
        """``image``, ``boxes`` and ``labels`` as :func:`tasks.data.digit_scenes.load` describes them."""
        source.require_embedded()
        return digit_scenes.load(self.scenes)

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Scenes moved by some pixels."""
        return digit_scenes.moved(batch, generator)


MINI: Final[dict[str, Any]] = {
    "batch_size": 16,
    "lr_range": LOW_SGD_LRS,
}
"""Their numbers at mini scale."""

PAPER: Final[dict[str, Any]] = {
    "scenes": DigitScenes(train=8000, held_out=1000, size=128, classes=10, objects=8, clutter=4, noise=0.05),
    "batch_size": 32,
    "lr_range": lr_ranges((1e-5, 1e-2)),
}
"""Their numbers at the paper's."""
