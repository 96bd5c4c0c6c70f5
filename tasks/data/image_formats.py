"""The formats in which labelled images come: SVHN, CIFAR-10, Food-101, and Parquet of the hub."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tasks.base import TaskError
from tasks.data.decode import opened


class Listing(NamedTuple):
    """The images of one published split: their labels, and how to open the i-th."""

    labels: Sequence[int]
    image: Callable[[int], Image.Image]


def find(root: Path) -> dict[str, Listing]:
    """The published splits in ``root``, by ``train``, ``val`` and ``test``.

    Raises:
        TaskError: no such directory, none of the formats, or a file that is missing or damaged.
    """
    if not root.is_dir():
        raise TaskError(f"no directory {root}; pass data_dir=<directory of the data set>")
    for folder in (root, root / "data", root / "plain_text", root / "cropped_digits"):
        if any(folder.glob("train-*.parquet")):
            return _parquet(folder)
    if any(root.glob("*_32x32.mat")):
        return {split: _svhn(root / f"{split}_32x32.mat") for split in ("train", "test")}
    for folder in (root, root / "cifar-10-batches-py"):
        if any(folder.glob("data_batch_*")):
            batches = [folder / f"data_batch_{i}" for i in range(1, 6)]
            return {"train": _cifar(batches), "test": _cifar([folder / "test_batch"])}
    for folder in (root, root / "food-101"):
        if (folder / "meta").is_dir():
            return {split: _food(folder, split) for split in ("train", "test")}
    raise TaskError(
        f"no labelled images in {root}; expected train_32x32.mat and test_32x32.mat (SVHN), data_batch_1 to "
        "5 and test_batch (CIFAR-10, python version), images/ and meta/ (Food-101), or train-*.parquet and "
        "test-*.parquet with columns image (or img) and label"
    )


def _present(path: Path) -> Path:
    if not path.is_file():
        raise TaskError(f"no file {path}")
    return path


def _listed(images: np.ndarray[Any, Any], labels: Sequence[int], path: Path) -> Listing:
    """Images in memory, uint8 (n, height, width, 3)."""
    if images.dtype != np.uint8 or images.shape[3:] != (3,) or len(images) != len(labels):
        raise TaskError(f"{path} is damaged: {len(labels)} labels, images of {images.dtype} {images.shape}")
    return Listing(labels, lambda i: Image.fromarray(images[i]))


def _svhn(path: Path) -> Listing:
    """Matlab's X (32, 32, 3, n) and y (n, 1); the digit 0 has the label 10."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(_present(path))
        images, labels = content["X"], content["y"]
    except (KeyError, OSError, ValueError, TypeError, NotImplementedError, MatReadError) as error:
        raise TaskError(
            f"{path} is damaged, expected SVHN's X (32, 32, 3, n) and y (n, 1) ({error})"
        ) from error
    return _listed(np.moveaxis(images, -1, 0), (labels.ravel() % 10).tolist(), path)


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles arrays and plain Python types, and nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        rebuild = np.empty(0).__reduce__()[0]
        allowed = {"_reconstruct": rebuild, "ndarray": np.ndarray, "dtype": np.dtype}
        if module.split(".")[0] == "numpy" and name in allowed:
            return allowed[name]
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} does not belong into a CIFAR batch")


def _cifar(paths: Sequence[Path]) -> Listing:
    """Pickled batches: data uint8 (n, 3072), the red, green and blue plane of each image, and labels."""
    images, labels = [], []
    for path in paths:
        try:
            with _present(path).open("rb") as file:
                batch = _ArrayUnpickler(file, encoding="bytes").load()
            images.append(batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
            labels += [int(label) for label in batch[b"labels"]]
        except (pickle.UnpicklingError, EOFError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise TaskError(
                f"{path} is damaged, expected a batch of CIFAR-10's python version ({error})"
            ) from error
    return _listed(np.concatenate(images), labels, paths[0].parent)


def _food(root: Path, split: str) -> Listing:
    """Paths listed in meta/<split>.json by class, or in meta/<split>.txt; classes in alphabetical order."""
    listed = root / "meta" / f"{split}.json"
    try:
        if listed.is_file():
            by_class: Mapping[str, list[str]] = json.loads(listed.read_text())
            names = [name for group in by_class.values() for name in group]
        else:
            names = _present(listed.with_suffix(".txt")).read_text().split()
        kinds = sorted({name.split("/")[0] for name in names})
        labels = [kinds.index(name.split("/")[0]) for name in names]
    except (ValueError, AttributeError) as error:
        raise TaskError(
            f"{listed} is damaged, expected lists of <class>/<image> by class ({error})"
        ) from error
    return Listing(labels, lambda i: opened(root / "images" / f"{names[i]}.jpg"))


def _parquet(folder: Path) -> dict[str, Listing]:
    files = {
        split: [*sorted(folder.glob(f"{split}-*.parquet")), *sorted(folder.glob(f"{longer}-*.parquet"))]
        for split, longer in (("train", "training"), ("val", "validation"), ("test", "testing"))
    }
    return {split: _table(paths) for split, paths in files.items() if paths}


def _table(paths: Sequence[Path]) -> Listing:
    """A column ``image`` or ``img`` of structs with the encoded bytes, and a column ``label``."""
    import pyarrow
    from pyarrow import parquet

    encoded: list[bytes] = []
    labels: list[int] = []
    for path in paths:
        try:
            table = parquet.read_table(path)
            column = table["image" if "image" in table.column_names else "img"]
            encoded += [row["bytes"] for row in column.to_pylist()]
            labels += [int(label) for label in table["label"].to_pylist()]
        except (pyarrow.ArrowException, KeyError, OSError, TypeError) as error:
            raise TaskError(
                f"{path}: expected Parquet with columns image (or img) and label ({error})"
            ) from error
    return Listing(labels, lambda i: opened(encoded[i], f"image {i} of {paths[0].name}"))
