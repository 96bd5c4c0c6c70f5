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

_VERSION = 1
CHARACTERS = 97
"""Ids of characters: 0 to 94 are printable ASCII, 95 a line's end, 96 all others."""


def labelled(
    packages: Sequence[str], *, rows: int, held_out: int, length: int, span: int, words: int | None = None
) -> Splits:
    """``text`` int32 (rows, span or length) and ``label`` int64 (rows,), the package's place in ``packages``.

    Each package's source is cut into ten parts of equal length; the first seven are for training, one
    stays unused between training and validation, one is for validation and the last for testing.

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
        texts = [_ids(package, words) for package in packages]

        def split(first: int, last: int, count: int, size: int) -> Batch:
            found = []
            for text in texts:
                part = text[len(text) * first // 10 : len(text) * last // 10]
                if len(part) < size:
                    raise TaskError(
                        f"got span={span} and length={length}, need at most {len(part)} characters"
                    )
                starts = torch.linspace(0, len(part) - size, count // len(texts)).long()
                found.append(torch.stack([part[s : s + size] for s in starts.tolist()]))
            labels = torch.arange(len(texts)).repeat_interleave(count // len(texts))
            return {"text": torch.cat(found), "label": labels}

        return disjoint(
            split(0, 7, rows, span), split(8, 9, held_out, length), split(9, 10, held_out, length)
        )

    return cached(name, _VERSION, build)


def running(package: str, *, rows: int, held_out: int, length: int) -> Splits:
    """``text`` int32 (rows, length + 1): windows of a package's source; ``rows`` decides how much of it."""
    splits = labelled([package], rows=rows, held_out=held_out, length=length + 1, span=length + 1)
    return Splits(*({"text": split["text"]} for split in splits))


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
