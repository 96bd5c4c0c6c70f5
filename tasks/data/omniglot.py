"""Omniglot: alphabet/character/drawing.png in folders or in the original zip files."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from tasks.base import Source, Splits, TaskError
from tasks.data import pairs
from tasks.data.decode import opened, pixels


def load(source: Source, *, train: int, held_out: int, size: int) -> Splits:
    """Pairs of drawings; columns as in :func:`tasks.data.pairs.draw`.

    Where both parts of the data are there, the alphabets of the background set train and those of the
    evaluation set are halved between validation and test, as by Koch et al., 2015. Otherwise a fifth of
    the alphabets validates, a fifth tests and the others train.

    Args:
        source: its path holds ``images_background*`` and perhaps ``images_evaluation``, as folders or
            zip files, or the alphabets themselves.
        train: pairs of the training split.
        held_out: pairs of the validation split, and of the test split.
        size: height and width in pixels.
    """
    if source.kind == "hub" or source.path is None:
        raise TaskError(
            "Omniglot with its alphabets is on no hub as Parquet; download images_background.zip and "
            "images_evaluation.zip from https://github.com/brendenlake/omniglot and pass data=local "
            "data_dir=<their folder>"
        )
    root = Path(source.path)
    found: dict[str, dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
    evaluation: set[str] = set()
    for name, encoded in sorted(_files(root), key=lambda item: item[0]):
        alphabet, character, _ = PurePosixPath(name).parts[-3:]
        if "images_evaluation" in name:
            evaluation.add(alphabet)
        # The strokes are black on white; here ink is 255.
        found[alphabet][character].append(255 - pixels(opened(encoded, name), size=size, mode="L")[0])
    alphabets = {a: {c: torch.stack(d) for c, d in chars.items()} for a, chars in found.items()}
    groups = _groups(sorted(alphabets), evaluation, root)
    counts = (train, held_out, held_out)
    return Splits(
        *(
            pairs.draw({a: alphabets[a] for a in group}, count, seed=i)
            for i, (group, count) in enumerate(zip(groups, counts, strict=True))
        )
    )


def _groups(alphabets: list[str], evaluation: set[str], root: Path) -> tuple[list[str], ...]:
    if len(alphabets) < 3:
        raise TaskError(
            f"{root} holds {len(alphabets)} alphabets, need three at least: alphabet/character/*.png"
        )
    held_out = sorted(evaluation)
    background = [a for a in alphabets if a not in evaluation]
    if len(held_out) < 2 or not background:
        fifth = max(1, len(alphabets) // 5)
        background, held_out = alphabets[: -2 * fifth], alphabets[-2 * fifth :]
    half = len(held_out) // 2
    return background, held_out[:half], held_out[half:]


def _files(root: Path) -> Iterator[tuple[str, Path | bytes]]:
    """Every drawing below ``root``, in its folders and in its zip files."""
    for path in root.glob("**/*.png"):
        yield path.relative_to(root.parent).as_posix(), path
    for path in root.glob("*.zip"):
        try:
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith(".png") and len(PurePosixPath(name).parts) >= 3:
                        yield name, archive.read(name)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise TaskError(f"{path} is damaged, expected the zip file of Omniglot ({error})") from error
