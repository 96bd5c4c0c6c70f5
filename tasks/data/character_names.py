"""The names that Unicode gives its characters, split by blocks of code points."""

from __future__ import annotations

import unicodedata

import numpy as np
import torch

from tasks.base import Source, Splits, TaskError
from tasks.data.cache import cached
from tasks.seeding import derive

ALPHABET = " ABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789"
MASK = len(ALPHABET)
VOCABULARY = MASK + 1
_BLOCK = 128


def names(source: Source, *, examples: tuple[int, int, int], length: int) -> Splits:
    """``text`` int64 (n, length): ids of :data:`ALPHABET`, the beginning of names of at least this length.

    A block of 128 neighbouring code points gives names to one split only. Ideographs and syllables whose
    names are made of numbers or by rule are left out.
    """
    if source.kind != "embedded":
        raise TaskError(f"got data={source.kind}; the names of characters come with Python: data=embedded")

    def build() -> Splits:
        rng = np.random.default_rng(derive("character_names"))
        blocks = rng.permutation(0x1F000 // _BLOCK)
        ends = [0, int(0.6 * len(blocks)), int(0.8 * len(blocks)), len(blocks)]
        found, seen = [], set[str]()
        for first, last, count in zip(ends[:-1], ends[1:], examples, strict=True):
            here = {n for b in blocks[first:last] for n in _block(int(b), length)} - seen
            seen |= here
            rows = sorted(here)
            chosen = [rows[i] for i in rng.permutation(len(rows))[:count]]
            ids = [[ALPHABET.index(c) for c in name] for name in chosen]
            found.append({"text": torch.tensor(ids)})
        return Splits(*found)

    key = f"{'-'.join(map(str, examples))}-{length}-{unicodedata.unidata_version}"
    return cached(f"character-names-{key}", 2, build)


def _block(number: int, length: int) -> list[str]:
    points = range(number * _BLOCK, (number + 1) * _BLOCK)
    given = [unicodedata.name(chr(p), "") for p in points]
    skipped = (
        "CJK",
        "HANGUL SYLL",
        "TANGUT",
        "NUSHU",
        "KHITAN",
        "CUNEIFORM",
        "EGYPTIAN",
        "ANATOLIAN",
        "VARIATION",
    )
    return [n[:length] for n in given if len(n) >= length and not n.startswith(skipped)]
