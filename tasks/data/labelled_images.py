"""Images with one label each, from disk or from the hub, in any of the formats people download.

A reader of :mod:`tasks.data.image_formats` lists the images of the published splits; here they become
three splits of tensors. Only the images that are kept are decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from tasks.base import Batch, Source, Splits, TaskError
from tasks.data import hub
from tasks.data.decode import pixels
from tasks.data.hub import Repository
from tasks.data.image_formats import Listing, find
from tasks.seeding import derive


def load(
    source: Source,
    repository: Repository,
    *,
    size: int,
    classes: int,
    limit: tuple[int, int, int] | None = None,
    channels: int = 3,
) -> Splits:
    """Images resized to ``size`` x ``size`` pixels.

    ``image`` is uint8 (n, channels, size, size), ``label`` int64 (n,).

    The published test images (validation images where there are no test images) are the test split.
    Every tenth training image is for validation, unless both are published.

    Args:
        source: ``local`` or ``hub``.
        repository: what ``hub`` means.
        size: height and width in pixels; other images are resized bilinearly.
        classes: labels are below it (TaskError otherwise).
        limit: most training, validation and test images, drawn at random; None takes all.
        channels: 3, or 1 for grey images.
    """
    listed = _from_hub(repository) if source.kind == "hub" else find(Path(source.path or ""))
    train, test = listed.get("train"), listed.get("test")
    val = listed.get("val")
    if test is None:
        test, val = val, None
    if train is None or test is None:
        raise TaskError(
            f"found only the splits {sorted(listed)} in {source.path or repository.id}, need train and test"
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
            _stack(listing, _drawn(rows, most), (channels, size, size), classes, name)
            for (listing, rows), most, name in zip(chosen, limits, Splits._fields, strict=True)
        )
    )


def _drawn(rows: Sequence[int], most: int | None) -> list[int]:
    if most is None or len(rows) <= most:
        return list(rows)
    generator = torch.Generator().manual_seed(derive("limit", most))
    return [rows[i] for i in sorted(torch.randperm(len(rows), generator=generator)[:most].tolist())]


def _stack(
    listing: Listing, rows: Sequence[int], shape: tuple[int, int, int], classes: int, name: str
) -> Batch:
    if not rows:
        raise TaskError(f"no images for {name}, need at least ten training images and one test image")
    labels = torch.tensor([listing.labels[i] for i in rows])
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        remedy = f"; say settings={{classes: {high + 1}}}" if low >= 0 else ""
        raise TaskError(f"got labels from {low} to {high}, but the task has classes={classes}{remedy}")
    images = torch.empty(len(rows), *shape, dtype=torch.uint8)
    mode = "RGB" if shape[0] == 3 else "L"

    def decoded(row: int) -> Tensor:
        return pixels(listing.image(row), size=shape[-1], mode=mode)

    with ThreadPoolExecutor() as pool:
        progress = tqdm(
            pool.map(decoded, rows), f"reading {name}", len(rows), leave=False, delay=2, disable=None
        )
        for i, image in enumerate(progress):
            images[i] = image
    return {"image": images, "label": labels}


def _from_hub(repository: Repository) -> dict[str, Listing]:
    names = {"train": "train", "validation": "val", "test": "test"}

    def listing(rows: Any) -> Listing:
        return Listing(list(rows[repository.label]), lambda i: rows[i][repository.inputs])

    return {names[s]: listing(rows) for s, rows in hub.splits(repository).items() if s in names}
