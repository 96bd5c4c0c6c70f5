"""Images with boxes in COCO's format: ``annotations/instances_*.json`` and folders of images."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tasks.base import Batch, Source, Splits, TaskError
from tasks.data.decode import opened


def load(source: Source, *, size: int, objects: int, classes: int) -> Splits:
    """The images in ``source.path``.

    The official validation images are the test split; of the training images every twentieth validates.

    Args:
        source: its path holds ``annotations/instances_train<year>.json``, ``instances_val<year>.json`` and
            the folders ``train<year>`` and ``val<year>``.
        size: longest side in pixels; images are scaled to it and padded with zeros at the right and bottom.
        objects: most objects of an image; of more, the largest. Crowds are left out.
        classes: TaskError where the data has more.

    Returns:
        ``image`` (n, 3, size, size) uint8; ``boxes`` (n, objects, 4) float32, left, top, right and bottom in
        pixels; ``labels`` (n, objects) int64, -1 where there is no object.
    """
    if source.kind == "hub" or source.path is None:
        raise TaskError(
            "download train2017.zip, val2017.zip and annotations_trainval2017.zip from "
            "https://cocodataset.org/#download and pass data=local data_dir=<their folder>"
        )
    root = Path(source.path)
    train, val = (_listing(root, part) for part in ("train", "val"))
    kept = [i for i in range(len(train)) if i % 20 != 19]
    parts = [[train[i] for i in kept], train[19::20], val]
    for name, part in zip(Splits._fields, parts, strict=True):
        if not part:
            raise TaskError(
                f"no images for {name} in {root}, need 20 for training and one for testing at least"
            )
    return Splits(*(_stack(part, size, objects, classes) for part in parts))


def mirrored(batch: Batch, generator: torch.Generator) -> Batch:
    """A copy in which half of the images are mirrored left to right, with their boxes."""
    image, boxes = batch["image"], batch["boxes"]
    draws = torch.rand(len(image), generator=generator, device=generator.device)
    flip = (draws < 0.5).to(image.device)
    left, top, right, bottom = boxes.unbind(-1)
    turned = torch.stack([image.shape[-1] - right, top, image.shape[-1] - left, bottom], dim=-1)
    return {
        **batch,
        "image": torch.where(flip.view(-1, 1, 1, 1), image.flip(-1), image),
        "boxes": torch.where(flip.view(-1, 1, 1), turned, boxes),
    }


Entry = tuple[Path, list[tuple[list[float], int]]]
"""An image file, and the box (left, top, width, height) and class of each object."""


def _listing(root: Path, part: str) -> list[Entry]:
    files = sorted((root / "annotations").glob(f"instances_{part}*.json"))
    if not files:
        raise TaskError(f"no file {root}/annotations/instances_{part}*.json")
    folder = root / files[0].stem.removeprefix("instances_")
    try:
        content: dict[str, list[dict[str, Any]]] = json.loads(files[0].read_text())
        # The ids of the 80 classes leave gaps.
        class_of = {c: i for i, c in enumerate(sorted(int(c["id"]) for c in content["categories"]))}
        found = defaultdict(list)
        for a in content["annotations"]:
            if not a.get("iscrowd", 0):
                found[a["image_id"]].append(([float(v) for v in a["bbox"]], class_of[a["category_id"]]))
        images = sorted(content["images"], key=lambda image: int(image["id"]))
        return [(folder / image["file_name"], found[image["id"]]) for image in images]
    except (ValueError, KeyError, TypeError) as error:
        raise TaskError(
            f"{files[0]} is damaged, expected images, annotations and categories ({error!r})"
        ) from error


def _stack(entries: list[Entry], size: int, objects: int, classes: int) -> Batch:
    images = torch.zeros(len(entries), 3, size, size, dtype=torch.uint8)
    boxes = torch.zeros(len(entries), objects, 4)
    labels = torch.full((len(entries), objects), -1)
    for i, (path, found) in enumerate(entries):
        pixels, scale = _scaled(opened(path), size)
        images[i, :, : pixels.shape[1], : pixels.shape[2]] = pixels
        largest = sorted(found, key=lambda o: -o[0][2] * o[0][3])[:objects]
        for j, ((left, top, width, height), label) in enumerate(largest):
            if label >= classes:
                raise TaskError(f"got class {label} in {path}; say settings={{classes: {label + 1}}}")
            boxes[i, j] = torch.tensor([left, top, left + width, top + height]) * scale
            labels[i, j] = label
    return {"image": images, "boxes": boxes, "labels": labels}


def _scaled(image: Image.Image, size: int) -> tuple[Tensor, float]:
    """(3, h, w) uint8 with a longest side of ``size``, and the factor."""
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    resized = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized, dtype=np.uint8).transpose(2, 0, 1).copy()), scale
