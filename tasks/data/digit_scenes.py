"""Embedded scenes of handwritten digits on grey paper, with their boxes.

The digits of some classes are to be found; those of others, and strokes, are clutter. No split shares a
drawing with another.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from tasks.base import Batch, Splits, TaskError
from tasks.data.cache import cached
from tasks.data.plain_digits import plain_digits
from tasks.seeding import derive

VERSION = 1
MARGIN = 2
"""Pixels around every digit, by which a scene may be moved."""

_DRAWINGS = (1100, 347, 350)
Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DigitScenes:
    """What the scenes look like.

    Attributes:
        train: scenes of the training split.
        held_out: scenes of the validation split, and of the test split.
        size: height and width in pixels; a digit is three tenths to a half as high.
        classes: digits that are to be found, from 0 on; 1 to 10.
        objects: most digits to be found in a scene; there is at least one.
        clutter: other digits of a scene (strokes where all ten are to be found).
        noise: standard deviation of a pixel, in units of the full range.
    """

    train: int
    held_out: int
    size: int
    classes: int
    objects: int
    clutter: int
    noise: float

    def __post_init__(self) -> None:
        if not 1 <= self.classes <= 10:
            raise TaskError(f"got classes={self.classes}, need 1 to 10: there are ten digits")
        if self.size < 12:
            raise TaskError(f"got size={self.size}, need at least 12 pixels")


def load(scenes: DigitScenes) -> Splits:
    """The scenes of three splits.

    Returns:
        ``image`` (n, 1, size, size) uint8; ``boxes`` (n, objects, 4) float32: left, top, right and bottom of
        a digit's ink in pixels; ``labels`` (n, objects) int64, -1 where there is none.
    """
    name = "-".join(str(v) for v in ("digit-scenes", *astuple(scenes)))

    def build() -> Splits:
        drawings = plain_digits(_DRAWINGS, 8)
        return Splits(*(_split(scenes, s, d) for s, d in zip(Splits._fields, drawings, strict=True)))

    return cached(name, VERSION, build)


def _split(scenes: DigitScenes, split: str, drawings: Batch) -> Batch:
    rng = np.random.default_rng(derive("digit scenes", split))
    inks = drawings["image"][:, 0].double().numpy() / 255
    digits = drawings["label"].numpy()
    count = scenes.train if split == "train" else scenes.held_out
    columns = zip(*(_scene(scenes, inks, digits, rng) for _ in range(count)), strict=True)
    image, boxes, labels = (torch.stack(column) for column in columns)
    return {"image": image, "boxes": boxes, "labels": labels}


def _scene(
    scenes: DigitScenes, inks: Array, digits: NDArray[np.int64], rng: np.random.Generator
) -> tuple[torch.Tensor, ...]:
    size = scenes.size
    paper = _paper(size, rng)
    wanted, other = (np.flatnonzero(of) for of in (digits < scenes.classes, digits >= scenes.classes))
    boxes = np.zeros((scenes.objects, 4))
    labels = np.full(scenes.objects, -1)
    for _ in range(scenes.clutter):
        ink = inks[rng.choice(other)] if len(other) else np.eye(8)[:, :: rng.choice([-1, 1])]
        _write(paper, ink, rng)
    for i in range(rng.integers(1, scenes.objects + 1)):
        row = rng.choice(wanted)
        boxes[i], labels[i] = _write(paper, inks[row], rng), digits[row]
    paper += rng.normal(0, scenes.noise, paper.shape)
    image = torch.from_numpy((paper.clip(0, 1) * 255).round()).to(torch.uint8)[None]
    return image, torch.from_numpy(boxes).float(), torch.from_numpy(labels).long()


def _paper(size: int, rng: np.random.Generator) -> Array:
    """Grey that changes slowly over the scene."""
    coarse = torch.from_numpy(rng.uniform(0.15, 0.45, (1, 1, 3, 3)))
    smooth = F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
    return smooth[0, 0].numpy().copy()


def _write(paper: Array, ink: Array, rng: np.random.Generator) -> Array:
    """Put a drawing somewhere on the paper, which is changed; the box of its ink."""
    size = len(paper)
    high = int(rng.integers(round(0.3 * size), size // 2 + 1))
    wide = max(4, round(high * rng.uniform(0.7, 1.1)))
    scaled = torch.from_numpy(ink)[None, None]
    opacity = F.interpolate(scaled, size=(high, wide), mode="bilinear", align_corners=False)[0, 0].numpy()
    top, left = (int(rng.integers(MARGIN, size - side - MARGIN + 1)) for side in (high, wide))
    place = paper[top : top + high, left : left + wide]
    place += (rng.uniform(0.6, 1.0) - place) * opacity
    rows, columns = np.flatnonzero(opacity.max(1) > 0.25), np.flatnonzero(opacity.max(0) > 0.25)
    return np.array([left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1], float)


def moved(batch: Batch, generator: torch.Generator) -> Batch:
    """Every scene moved with its boxes, up to :data:`MARGIN` pixels; its edge is repeated."""
    image = batch["image"]
    count, _, height, width = image.shape
    steps = torch.randint(-MARGIN, MARGIN + 1, (2, count, 1), generator=generator)
    down, right = steps.to(image.device, non_blocking=True)
    rows = (torch.arange(height, device=image.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=image.device) - right).clamp(0, width - 1)
    pixels = (rows[:, :, None] * width + columns[:, None, :]).view(count, 1, -1)
    shift = torch.cat([right, down, right, down], dim=1)[:, None]
    shown = image.flatten(2).gather(2, pixels.expand(-1, image.shape[1], -1)).view_as(image)
    return {**batch, "image": shown, "boxes": batch["boxes"] + shift}
