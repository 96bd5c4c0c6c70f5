"""Embedded text: the source files of packages of the standard library, in characters or in words."""

from __future__ import annotations

import hashlib
import platform
import re
import sysconfig
import zlib
from collections.abc import Sequence
from pathlib import Path

import torch

from tasks.base import Batch, Splits, TaskError
from tasks.data.cache import cached
from tasks.data.text import disjoint

_VERSION = 2
_PARTS = 40
CHARACTERS = 97
"""Ids of characters: 0 to 94 are printable ASCII, 95 a line's end, 96 all others."""


def labelled(
    packages: Sequence[str], *, rows: int, held_out: int, length: int, span: int, words: int | None = None
) -> Splits:
    """``text`` int32 (rows, span or length) and ``label`` int64 (rows,), the package's place in ``packages``.

    Each package's source is cut into 40 parts of equal length. Of ten in a row, seven are for training, the
    ninth is for validation and the last for testing.

    Args:
        packages: directories of the standard library; equally many rows of each.
        rows: of the training split, of all packages together.
        held_out: of the validation split, and of the test split (less repetitions).
        length: tokens of a validation or test row.
        span: tokens of a training row.
        words: ids of words, each the hash of a run of letters or of another character, so that packages share
            them without a vocabulary; None: the tokens are characters.
    """
    version = platform.python_version()
    name = f"source-py{version}-{'-'.join(packages)}-{rows}-{held_out}-{length}-{span}-{words}"

    def build() -> Splits:
        texts = [_ids(package, words).chunk(_PARTS) for package in packages]

        def split(parts: Sequence[int], count: int, size: int) -> Batch:
            count //= len(texts)
            rows = [
                _evenly([p for i, p in enumerate(text) if i % 10 in parts], count, size) for text in texts
            ]
            return {"text": torch.cat(rows), "label": torch.arange(len(texts)).repeat_interleave(count)}

        return disjoint(
            split(range(7), rows, span), split([8], held_out, length), split([9], held_out, length)
        )

    return cached(name, _VERSION, build)


def running(package: str, *, rows: int, held_out: int, length: int) -> Splits:
    """``text`` int32 (rows, length + 1): windows of a package's source; ``rows`` decides how much of it."""
    splits = labelled([package], rows=rows, held_out=held_out, length=length + 1, span=length + 1)
    return Splits(*({"text": split["text"]} for split in splits))


def _evenly(parts: Sequence[torch.Tensor], count: int, size: int) -> torch.Tensor:
    """``count`` windows of ``size`` tokens, equally many of each part (one more of the first ones)."""
    found = []
    for i, part in enumerate(parts):
        if len(part) < size:
            raise TaskError(f"got rows of {size} tokens, need at most {len(part)}, a part of this package")
        share = count // len(parts) + (i < count % len(parts))
        found += [part[s : s + size] for s in torch.linspace(0, len(part) - size, share).long().tolist()]
    return torch.stack(found)


def _ids(package: str, words: int | None) -> torch.Tensor:
    root = Path(sysconfig.get_paths()["stdlib"]) / package
    files = sorted(root.rglob("*.py"), key=lambda p: hashlib.sha256(p.name.encode()).digest())
    text = "\n".join(p.read_text(encoding="utf-8") for p in files if "test" not in p.parts)
    if not text:
        raise TaskError(f"no source of {package} in {root.parent}, which CPython installs there")
    if words:
        tokens = re.findall(r"[A-Za-z]+|[^A-Za-z\s]", text)
        return torch.tensor([zlib.crc32(t.encode()) % words for t in tokens], dtype=torch.int32)
    codes = [ord(c) - 32 if " " <= c <= "~" else 95 if c == "\n" else 96 for c in re.sub(" +", " ", text)]
    return torch.tensor(codes, dtype=torch.int32)
