"""Embedded scenes: lobed objects on photo crops, with exact masks, boxes and classes.

An object is a closed outline whose number of lobes is its class, filled with a tinted photo crop. Scenes
have clutter in front and around. The splits share no photo regions, and each draws its objects from a
random stream of its own.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.base import Batch, Splits
from tasks.data.cache import cached
from tasks.data.photos import regions
from tasks.seeding import derive

VERSION = 3
Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """What the scenes look like.

    Attributes:
        train: scenes of the training split.
        held_out: scenes of the validation split, and of the test split.
        size: height and width in pixels, 80 at most.
        classes: kinds of objects; an object of class c has c + 2 lobes.
        objects: most objects of a scene; there is at least one.
        contrast: how much an object's colour differs from a photo's, 0 to 1.
        tint: how much of an object's colour is its class's, 0 to 1; the rest is its own.
        noise: standard deviation of the pixel noise, in units of the full range.
        grey: one channel instead of three.
    """

    train: int
    held_out: int
    size: int
    classes: int
    objects: int = 1
    contrast: float = 0.6
    tint: float = 0.0
    noise: float = 0.08
    grey: bool = False


def load(scenes: Scenes) -> Splits:
    """The scenes of three splits.

    Returns:
        ``image`` (n, channels, size, size) uint8; ``mask`` (n, size, size) uint8, 0 for background and
        class + 1 on an object's visible pixels; ``boxes`` (n, objects, 4) float32, the visible part's
        left, top, right and bottom in pixels; ``labels`` (n, objects) int64, -1 where there is none.
    """
    name = "-".join(str(v) for v in ("scenes", *astuple(scenes)))
    return cached(name, VERSION, lambda: Splits(*(_split(scenes, s) for s in Splits._fields)))


def _split(scenes: Scenes, split: str) -> Batch:
    rng = np.random.default_rng(derive("scenes", split))
    photos = [region.permute(1, 2, 0).numpy() / 255.0 for region in regions(split)]
    count = scenes.train if split == "train" else scenes.held_out
    drawn: list[tuple[torch.Tensor, ...]] = []
    while len(drawn) < count:
        scene = _scene(scenes, photos, rng)
        if (scene[-1] >= 0).any():  # some object is in sight
            drawn.append(scene)
    columns = zip(*drawn, strict=True)
    return dict(zip(("image", "mask", "boxes", "labels"), (torch.stack(c) for c in columns), strict=True))


def _scene(scenes: Scenes, photos: list[Array], rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
    size = scenes.size
    image = _crop(photos, size, rng)
    mask = np.zeros((size, size), dtype=np.uint8)
    owner = np.full((size, size), -1)
    present = rng.integers(1, scenes.objects + 1)
    labels = np.full(scenes.objects, -1)
    for _ in range(3):  # clutter behind: discs filled like objects
        disc = _outline(size, 0, rng, radius=(0.06, 0.12))
        image[disc] = _filling(scenes, int(rng.integers(scenes.classes)), photos, rng)[disc]
    radius = (0.2, 0.32) if scenes.objects == 1 else (0.14, 0.24)
    for i in range(present):
        labels[i] = rng.integers(scenes.classes)
        inside = _outline(size, labels[i] + 2, rng, radius=radius)
        image[inside] = _filling(scenes, int(labels[i]), photos, rng)[inside]
        mask[inside] = labels[i] + 1
        owner[inside] = i
    if rng.random() < 0.5:  # a bar in front
        bar = _bar(size, rng)
        image[bar] = _crop(photos, size, rng)[bar]
        mask[bar], owner[bar] = 0, -1
    boxes = np.zeros((scenes.objects, 4), dtype=np.float32)
    for i in range(present):
        rows, columns = np.nonzero(owner == i)
        if len(rows) < 6:  # hidden: no object, and no mask
            mask[owner == i], labels[i] = 0, -1
            continue
        boxes[i] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    image += rng.normal(0.0, scenes.noise, image.shape)
    if scenes.grey:
        image = image.mean(axis=2, keepdims=True)
    pixels = (image.clip(0, 1) * 255).round().astype(np.uint8)
    return (
        torch.from_numpy(pixels.transpose(2, 0, 1).copy()),
        torch.from_numpy(mask),
        torch.from_numpy(boxes),
        torch.from_numpy(labels),
    )


def _crop(photos: list[Array], size: int, rng: np.random.Generator) -> Array:
    """A square of a photo at a random scale, turned at random, with jittered brightness."""
    photo = photos[rng.integers(len(photos))]
    step = int(rng.integers(1, 1 + min(4, min(photo.shape[:2]) // size)))
    top, left = (rng.integers(0, photo.shape[axis] - size * step + 1) for axis in (0, 1))
    crop = photo[top : top + size * step, left : left + size * step]
    crop = crop.reshape(size, step, size, step, 3).mean(axis=(1, 3), dtype=np.float64)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    jittered: Array = crop * rng.uniform(0.7, 1.2) + rng.uniform(-0.1, 0.1)
    return jittered


def _filling(scenes: Scenes, label: int, photos: list[Array], rng: np.random.Generator) -> Array:
    """A photo crop in a random colour that is drawn towards the hue of the class."""
    hue = 2 * np.pi * (label / scenes.classes + np.arange(3) / 3)
    colour = scenes.tint * (0.5 + 0.5 * np.cos(hue)) + (1 - scenes.tint) * rng.uniform(0, 1, 3)
    filling: Array = (1 - scenes.contrast) * _crop(photos, scenes.size, rng) + scenes.contrast * colour
    return filling


def _outline(
    size: int, lobes: int, rng: np.random.Generator, *, radius: tuple[float, float]
) -> NDArray[np.bool_]:
    """The inside of r(angle) = radius (1 + depth cos(lobes angle)), at a random pose, stretched."""
    x0, y0 = rng.uniform(0.2, 0.8, 2)
    turn, stretch = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 1.25)
    axis = (np.arange(size) + 0.5) / size
    dx, dy = axis[None, :] - x0, axis[:, None] - y0
    u = (dx * np.cos(turn) + dy * np.sin(turn)) * stretch
    v = (dy * np.cos(turn) - dx * np.sin(turn)) / stretch
    depth = rng.uniform(0.25, 0.45) if lobes else 0.0
    limit = rng.uniform(*radius) * (1 + depth * np.cos(lobes * np.arctan2(v, u)))
    inside: NDArray[np.bool_] = np.hypot(u, v) < limit
    return inside


def _bar(size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A straight band across the scene."""
    turn, offset, width = rng.uniform(0, np.pi), rng.uniform(-0.2, 0.2), rng.uniform(0.03, 0.08)
    axis = (np.arange(size) + 0.5) / size - 0.5
    distance = axis[None, :] * np.cos(turn) + axis[:, None] * np.sin(turn) - offset
    band: NDArray[np.bool_] = np.abs(distance) < width
    return band
