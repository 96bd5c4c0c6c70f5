"""Strings that look like SMILES: chains of atoms with branches, one of them a known group."""

from __future__ import annotations

import numpy as np

from tasks.data.synthetic import Columns

ALPHABET = " CNOSFP()=#+-1"
GROUPS = {
    "first": ("C(=O)O", "C(=O)N", "C#N", "S(=O)O", "N=N", "C(=S)N", "P(=O)O", "OC=O"),
    "second": ("C(=S)O", "N(=O)O", "C(N)=N", "S(N)=O", "OC=N", "C(O)=N", "NC=O", "P(N)=O"),
}
"""The pieces that tell a string's class: one set for a first training, another for what comes after."""


def strings(rng: np.random.Generator, count: int, *, groups: str, length: int, misread: float) -> Columns:
    """``text`` int64 (count, length), padded with 0, and ``label`` int64 (count,).

    Args:
        rng: draws the rows.
        count: rows.
        groups: the set of :data:`GROUPS` whose pieces are the classes.
        length: most characters of a string.
        misread: share of the characters in whose place stands any one.
    """
    pieces = GROUPS[groups]
    labels = rng.integers(0, len(pieces), count)
    text = np.zeros((count, length), np.int64)
    for row, label in zip(text, labels, strict=True):
        left, right = (_chain(rng, int(rng.integers(3, length // 2 - 4))) for _ in range(2))
        found = (left + pieces[label] + right)[:length]
        row[: len(found)] = [ALPHABET.index(c) for c in found]
    wrong = (text > 0) & (rng.random(text.shape) < misread)
    text[wrong] = rng.integers(1, len(ALPHABET), int(wrong.sum()))
    return {"text": text, "label": labels}


def _chain(rng: np.random.Generator, length: int) -> str:
    parts = ("C", "C", "N", "O", "(C)", "(=O)", "(N)", "=C", "S", "F", "P", "(O)")
    return "".join(rng.choice(parts, length))[:length].rstrip("(=")
