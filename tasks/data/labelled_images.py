"""Images with one label each, from disk or from the hub, in any of the formats people download.

A reader of :mod:`tasks.data.image_formats` lists the images of the published splits; here they become
three splits of tensors. Only the images that are kept are decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from tasks.base import Batch, Source, Splits, TaskError
from tasks.data.decode import pixels
from tasks.data.image_formats import Listing, find
from tasks.seeding import derive


class Repository(NamedTuple):
    """A data set on the hub: its id, its configuration, and its columns of images and labels."""

    id: str
    config: str | None = None
    image: str = "image"
    label: str = "label"


SVHN = Repository("ufldl-stanford/svhn", "cropped_digits")
FOOD = Repository("ethz/food101")
CIFAR10 = Repository("uoft-cs/cifar10", image="img")


def load(
    source: Source,
    *,
    size: int,
    classes: int,
    hub: Repository,
    limit: tuple[int, int, int] | None = None,
) -> Splits:
    """Images resized to ``size`` x ``size`` pixels: ``image`` uint8 (n, 3, size, size), ``label`` int64 (n,).

    The published test images (validation images where there are no test images) are the test split.
    Every tenth training image is for validation, unless both are published.

    Args:
        source: ``local`` or ``hub``.
        size: height and width in pixels; other images are resized bilinearly.
        classes: labels are below it (TaskError otherwise).
        hub: what ``hub`` means.
        limit: most training, validation and test images, drawn at random; None takes all.
    """
    listed = _from_hub(hub) if source.kind == "hub" else find(Path(source.path or ""))
    train, test = listed.get("train"), listed.get("test")
    val = listed.get("val")
    if test is None:
        test, val = val, None
    if train is None or test is None:
        raise TaskError(
            f"found only the splits {sorted(listed)} in {source.path or hub.id}, need train and test"
        )
    held_out = range(9, len(train.labels), 10) if val is None else range(0)
    kept = [i for i in range(len(train.labels)) if val is not None or i % 10 != 9]
    chosen = (
        (train, kept),
        (train, held_out) if val is None else (val, range(len(val.labels))),
        (test, range(len(test.labels))),
    )
    limits = limit or (None, None, None)
    return Splits(
        *(
            _stack(listing, _drawn(rows, most), size, classes, name)
            for (listing, rows), most, name in zip(chosen, limits, Splits._fields, strict=True)
        )
    )


def _drawn(rows: Sequence[int], most: int | None) -> list[int]:
    if most is None or len(rows) <= most:
        return list(rows)
    generator = torch.Generator().manual_seed(derive("limit", most))
    return [rows[i] for i in sorted(torch.randperm(len(rows), generator=generator)[:most].tolist())]


def _stack(listing: Listing, rows: Sequence[int], size: int, classes: int, name: str) -> Batch:
    if not rows:
        raise TaskError(f"no images for {name}, need at least ten training images and one test image")
    labels = torch.tensor([listing.labels[i] for i in rows])
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise TaskError(f"got labels from {low} to {high}, but the task has classes={classes}")
    images = torch.empty(len(rows), 3, size, size, dtype=torch.uint8)

    def decoded(row: int) -> Tensor:
        return pixels(listing.image(row), size=size, mode="RGB")

    with ThreadPoolExecutor() as pool:
        progress = tqdm(
            pool.map(decoded, rows), f"reading {name}", len(rows), leave=False, delay=2, disable=None
        )
        for i, image in enumerate(progress):
            images[i] = image
    return {"image": images, "label": labels}


def _from_hub(hub: Repository) -> dict[str, Listing]:
    try:
        from datasets import load_dataset
    except ImportError:
        raise TaskError("data=hub needs the datasets package: pip install 'arc-lr[data]'") from None
    names = {"train": "train", "validation": "val", "test": "test"}
    found = load_dataset(hub.id, hub.config)

    def listing(rows: Any) -> Listing:
        return Listing(list(rows[hub.label]), lambda i: rows[i][hub.image])

    return {names[split]: listing(rows) for split, rows in found.items() if split in names}
