"""A cache on disk for embedded data, so that each data set is made once per machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tasks.base import Batch, Splits, TaskError


def directory() -> Path:
    """Where the cache lies: ``$ARC_CACHE``, else ``~/.cache/arc-lr``."""
    return Path(os.environ.get("ARC_CACHE") or Path.home() / ".cache" / "arc-lr")


def cached(name: str, version: int, build: Callable[[], Splits]) -> Splits:
    """The splits that ``build()`` returned when it was first called under this name and version.

    Args:
        name: of the data set with every number that its contents depend on, as a file name
            (e.g. ``digits-1200-20px``).
        version: raise it with every change of ``build``.
        build: makes the data; deterministic, tensors on the CPU.

    A missing or damaged file is built again. Processes may race: each writes a file of its own and
    renames it, and they all hold the same. TaskError where the directory cannot be written.
    """
    path = directory() / f"{name}-v{version}.safetensors"
    try:
        return _split(load_file(path))
    except (OSError, SafetensorError, KeyError):
        splits = build()
    _write(path, splits)
    return splits


def _split(flat: Batch) -> Splits:
    parts: dict[str, Batch] = {field: {} for field in Splits._fields}
    for key, tensor in flat.items():
        field, _, column = key.partition(".")
        parts[field][column] = tensor
    return Splits(**parts)


def _write(path: Path, splits: Splits) -> None:
    flat = {
        f"{field}.{column}": tensor.contiguous()
        for field, part in zip(splits._fields, splits, strict=True)
        for column, tensor in part.items()
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            part = Path(folder) / path.name
            save_file(flat, part)
            part.replace(path)
    except OSError as error:
        raise TaskError(
            f"cannot write the data cache ({error}); set ARC_CACHE=<a writable directory>"
        ) from error
