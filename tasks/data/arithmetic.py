"""Embedded formal text: sums, differences, remainders and comparisons of small numbers, in characters."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from tasks.base import Splits
from tasks.data.cache import cached
from tasks.data.text import disjoint
from tasks.seeding import derive

_VERSION = 1
CHARACTERS = "0123456789+-%<>= "
"""The vocabulary; a character's id is its place."""


def arithmetic(*, rows: int, held_out: int, length: int, span: int, largest: int) -> Splits:
    """``text`` int32 (rows, span or length + 1): statements one after the other, such as ``7+15=22 9<12``.

    No validation or test statement is a training statement: a statement's split depends on a hash of it.

    Args:
        rows: of the training split.
        held_out: of the validation split, and of the test split (less repetitions).
        length: characters that an example predicts.
        span: characters of a training row.
        largest: operands are below it.
    """

    def build() -> Splits:
        counts = {"train": (rows, span), "val": (held_out, length + 1), "test": (held_out, length + 1)}
        parts = [{"text": _rows(split, *count, largest)} for split, count in counts.items()]
        return disjoint(*parts)

    return cached(f"arithmetic-{rows}-{held_out}-{length}-{span}-{largest}", _VERSION, build)


def _rows(split: str, rows: int, length: int, largest: int) -> Tensor:
    rng = np.random.default_rng(derive("arithmetic", split))
    text = ""
    while len(text) < rows * length:
        a, b, kind = int(rng.integers(largest)), int(rng.integers(1, largest)), int(rng.integers(4))
        statement = (f"{a}+{b}={a + b} ", f"{a}-{b}={a - b} ", f"{a}%{b}={a % b} ", f"{a}{_sign(a, b)}{b} ")
        if _split(statement[kind]) == split:
            text += statement[kind]
    ids = [CHARACTERS.index(c) for c in text[: rows * length]]
    return torch.tensor(ids, dtype=torch.int32).view(rows, length)


def _sign(a: int, b: int) -> str:
    return "<" if a < b else "=" if a == b else ">"


def _split(statement: str) -> str:
    place = hashlib.sha256(statement.encode()).digest()[0] / 256
    return "train" if place < 0.7 else "val" if place < 0.85 else "test"
