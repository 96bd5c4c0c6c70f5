"""Images with a class per pixel: CUB-200-2011, Montgomery chest X-rays, Parquet of image and mask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from tasks.base import Batch, Source, Splits, TaskError
from tasks.data.decode import pixels
from tasks.data.mask_files import Example, reader


def load(source: Source, *, size: int, classes: int, channels: int = 3, labels: int = 0) -> Splits:
    """The data in ``source.path``, whichever of the three formats it has.

    Args:
        source: ``local``; TaskError otherwise.
        size: height and width in pixels.
        classes: the values of the masks are below it (TaskError otherwise).
        channels: 3 or 1 (grey).
        labels: the labels of the images are below it; TaskError where images have none. 0: none is needed.

    Returns:
        ``image`` (n, channels, size, size) uint8, ``mask`` (n, size, size) uint8 and ``label`` (n,) int64.
        Masks of black and white become classes 0 and 1.
    """
    if source.kind == "hub" or source.path is None:
        raise TaskError(
            "these images and masks are on no hub as Parquet; download CUB-200-2011 with its segmentations "
            "(https://www.vision.caltech.edu/datasets/cub_200_2011/) or the Montgomery chest X-rays "
            "(https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets/) and pass data=local "
            "data_dir=<the unpacked folder>"
        )
    read = reader(Path(source.path))
    mode = "RGB" if channels == 3 else "L"
    return Splits(*(_stack(examples, size, classes, mode, labels) for examples in read(size)))


def mirrored(batch: Batch, generator: torch.Generator) -> Batch:
    """A copy in which half of the examples, images and masks alike, are mirrored left to right."""
    count = len(batch["image"])
    flip = (torch.rand(count, generator=generator, device=generator.device) < 0.5).to(batch["image"].device)
    changed = dict(batch)
    for key in ("image", "mask"):
        shape = (count, *[1] * (batch[key].dim() - 1))
        changed[key] = torch.where(flip.view(shape), batch[key].flip(-1), batch[key])
    return changed


def _stack(examples: Iterator[Example], size: int, classes: int, mode: str, labels: int) -> Batch:
    images, masks, names = [], [], []
    for example in examples:
        images.append(pixels(example.image, size=size, mode=mode))
        masks.append(example.mask)
        names.append(example.label)
    mask, label = torch.stack(masks), torch.tensor(names)
    if labels and int(label.min()) < 0:
        raise TaskError(
            "these images have no labels, which the task needs beside the masks: take CUB-200-2011, or "
            "Parquet with columns image, mask and label, or the task cub_unet"
        )
    if labels and int(label.max()) >= labels:
        raise _too_many("labels", int(label.max()), labels)
    if int(mask.max()) >= classes:
        raise _too_many("classes", int(mask.max()), classes)
    return {"image": torch.stack(images), "mask": mask, "label": label}


def _too_many(name: str, highest: int, known: int) -> TaskError:
    return TaskError(
        f"the data has {name} up to {highest}, but the task has {name}={known}; "
        f"say settings={{{name}: {highest + 1}}}"
    )
