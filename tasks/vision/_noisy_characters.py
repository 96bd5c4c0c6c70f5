"""What the development tasks on noisy characters share: data, augmentation, numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import torch

from tasks.base import Batch, Source, Splits
from tasks.data import hub
from tasks.data.characters import characters
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.vision._house_numbers import SVHN
from tasks.vision._images import PublishedImages


@dataclass(frozen=True, kw_only=True)
class NoisyCharacters(PublishedImages):
    """Name a character in a font that was not seen in training, or the middle digit of a house number.

    Attributes:
        script: of the embedded data, one of :data:`tasks.data.characters.ALPHABETS`.
        grain: standard deviation of their noise, in units of the full range.
        channels: of the images.
        noise: standard deviation of the noise on training images, of at most 255.
    """

    role = "development"
    script: ClassVar[str]
    grain: ClassVar[float]

    channels: int
    noise: float

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, channels, size, size) and ``label`` int64 (n,)."""
        if source.kind != "embedded":
            return self._published(source, hub.SVHN, self.channels)
        return characters(self.script, examples=self.examples, size=self.size, clutter=0.4, noise=self.grain)

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Noisy images, shifted before where the task shifts them."""
        batch = super().augment(batch, generator)
        images = batch["image"]
        noise = self.noise * torch.randn(images.shape, generator=generator)
        return {**batch, "image": (images + noise.to(images.device)).clamp(0, 255)}


MINI: Final[dict[str, Any]] = {
    "limited": True,
    "channels": 1,
    "batch_size": 32,
    "lr_range": USUAL_LRS,
}
"""Their numbers at mini scale."""

PAPER: Final = SVHN | {"channels": 3, "noise": 8.0, "lr_range": lr_ranges((1e-5, 1e-1))}
"""Their numbers at the paper's."""
