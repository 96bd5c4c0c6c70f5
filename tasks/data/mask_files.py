"""The formats in which images with a class per pixel come: CUB-200-2011, Montgomery chest X-rays, Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet
from PIL import Image
from torch import Tensor

from tasks.base import Splits, TaskError
from tasks.data.decode import class_map, opened


class Example(NamedTuple):
    """One image with its mask; the label is -1 where the data has none."""

    image: Image.Image
    mask: Tensor
    label: int = -1


Reader = Callable[[int], Iterable[Iterator[Example]]]


def reader(root: Path) -> Reader:
    """What reads the three splits below ``root`` at a size, in whichever format they are (TaskError)."""
    for folder in (root, root / "CUB_200_2011"):
        if (folder / "images.txt").is_file():
            return lambda size: _cub(folder, size)
    for folder in (root, root / "MontgomerySet"):
        if (folder / "ManualMask").is_dir():
            return lambda size: _montgomery(folder, size)
    if sorted(root.glob("*.parquet")):
        return lambda size: _parquet(root, size)
    raise TaskError(
        f"{root} holds no images with masks; expected CUB_200_2011/images.txt, MontgomerySet/ManualMask or "
        "<split>-*.parquet with columns image and mask"
    )


def _cub(root: Path, size: int) -> Iterable[Iterator[Example]]:
    """The official test images are the test split; every tenth of the others is for validation."""
    paths, labels, training = (
        _column(root / f"{name}.txt") for name in ("images", "image_class_labels", "train_test_split")
    )
    segmentations = next(
        (d for d in (root / "segmentations", root.parent / "segmentations") if d.is_dir()), None
    )
    if segmentations is None:
        raise TaskError(f"no folder {root / 'segmentations'}; unpack segmentations.tgz of CUB-200-2011 there")
    keys = sorted(paths, key=int)
    fit = [k for k in keys if training.get(k) == "1"]
    chosen = (
        [k for i, k in enumerate(fit) if i % 10 != 9],
        fit[9::10],
        [k for k in keys if training.get(k) == "0"],
    )

    def read(keys: Sequence[str]) -> Iterator[Example]:
        for key in keys:
            image = opened(root / "images" / paths[key])
            # The grey level is the share of five annotators who marked the pixel.
            marked = opened((segmentations / paths[key]).with_suffix(".png"))
            yield Example(image, (class_map(marked, size=size) >= 128).byte(), int(labels[key]) - 1)

    return map(read, _none_empty(chosen, root))


def _column(path: Path) -> dict[str, str]:
    """A text file of "key value" lines."""
    if not path.is_file():
        raise TaskError(f"no file {path}, expected lines of an image id and a value")
    pairs = (line.split(maxsplit=1) for line in path.read_text().splitlines() if line.strip())
    try:
        return {key: value.strip() for key, value in pairs}
    except ValueError as error:
        raise TaskError(f"{path} is damaged, expected lines of an image id and a value") from error


def _montgomery(root: Path, size: int) -> Iterable[Iterator[Example]]:
    """Of ten images in the order of their names the ninth is for validation and the tenth for testing."""
    files = sorted((root / "CXR_png").glob("*.png"))
    chosen = [[f for i, f in enumerate(files) if (i % 10 > 7) * (i % 10 - 7) == split] for split in range(3)]

    def read(files: Sequence[Path]) -> Iterator[Example]:
        for file in files:
            left, right = (
                class_map(opened(root / "ManualMask" / side / file.name).convert("L"), size=size)
                for side in ("leftMask", "rightMask")
            )
            yield Example(opened(file), ((left > 0) | (right > 0)).byte())

    return map(read, _none_empty(chosen, root / "CXR_png"))


def _parquet(root: Path, size: int) -> Iterable[Iterator[Example]]:
    """Files named train*, val* and test*; a missing split is the last tenth of the training rows."""
    tables: list[pyarrow.Table | None] = []
    for prefix in ("train", "val", "test"):
        files = sorted(root.glob(f"{prefix}*.parquet"))
        tables.append(pyarrow.concat_tables([_table(f) for f in files]) if files else None)
    train, val, test = tables
    if train is None:
        raise TaskError(f"no file {root}/train*.parquet")
    tenth = max(1, train.num_rows // 10)
    if test is None:
        train, test = train.slice(0, train.num_rows - tenth), train.slice(train.num_rows - tenth)
    if val is None:
        train, val = train.slice(0, train.num_rows - tenth), train.slice(train.num_rows - tenth)

    def read(table: pyarrow.Table) -> Iterator[Example]:
        for i in range(table.num_rows):
            image, mask = (table.column(c)[i].as_py() for c in ("image", "mask"))
            values = class_map(opened(mask["bytes"], f"mask of row {i} in {root}"), size=size)
            if int(values.max()) == 255:
                values = (values >= 128).byte()
            label = int(table["label"][i].as_py()) if "label" in table.column_names else -1
            yield Example(opened(image["bytes"], f"image of row {i} in {root}"), values, label)

    return map(read, _none_empty((train, val, test), root))


def _table(path: Path) -> pyarrow.Table:
    try:
        table = pyarrow.parquet.read_table(path)
        return table.select(["image", "mask", *(["label"] if "label" in table.column_names else [])])
    except (OSError, KeyError, pyarrow.ArrowException) as error:
        raise TaskError(f"{path}: expected Parquet with columns image and mask ({error})") from error


def _none_empty(parts: Sequence[Any], root: Path) -> Sequence[Any]:
    for name, part in zip(Splits._fields, parts, strict=True):
        if len(part) == 0:
            raise TaskError(f"no images for {name} in {root}")
    return parts
