"""What all text data share: vocabularies, padded rows, windows of a long text, random crops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from tasks.base import TaskError

PADDING, UNKNOWN = 0, 1
"""Token ids of every vocabulary: behind a text's end, and for what the vocabulary lacks."""


def vocabulary(tokens: Iterable[str], size: int) -> dict[str, int]:
    """Ids of the most frequent tokens, from 2 on (see ``PADDING`` and ``UNKNOWN``).

    Args:
        tokens: of the training split only.
        size: the number of ids, the two reserved ones included (TaskError under 3).
    """
    if size < 3:
        raise TaskError(f"got vocabulary={size}, need at least 3")
    counts = Counter(tokens)
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    return {token: i + 2 for i, token in enumerate(ranked[: size - 2])}


def encode(tokens: Iterable[str], ids: Mapping[str, int]) -> list[int]:
    """The tokens' ids; ``UNKNOWN`` for those that have none."""
    return [ids.get(token, UNKNOWN) for token in tokens]


def padded(rows: Sequence[Sequence[int]], length: int, value: int = PADDING) -> Tensor:
    """int32 (rows, length): each row's first ``length`` ids, filled with ``value`` at the end."""
    table = torch.full((len(rows), length), value, dtype=torch.int32)
    for i, row in enumerate(rows):
        kept = torch.tensor(row[:length], dtype=torch.int32)
        table[i, : len(kept)] = kept
    return table


def windows(ids: Sequence[int], length: int, rows: int | None = None) -> Tensor:
    """int32 (rows, length + 1): evenly spaced windows of a long text, for next-token prediction.

    Neighbours share one token, the last target of one and the first input of the next, where
    ``rows`` is None; with ``rows`` that many are taken (all of them where there are fewer).
    """
    count = (len(ids) - 1) // length
    if count < 1:
        raise TaskError(f"the text has {len(ids)} tokens, need at least {length + 1}")
    taken = [i * count // rows for i in range(rows)] if rows and rows < count else range(count)
    text = torch.tensor(ids, dtype=torch.int32)
    return torch.stack([text[i * length : i * length + length + 1] for i in taken])


def crop(rows: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """(rows, length) from (rows, longer): a window of each row at a random place."""
    if rows.shape[1] <= length:
        return rows
    starts = torch.randint(rows.shape[1] - length + 1, (len(rows), 1), generator=generator)
    return rows.gather(1, (starts + torch.arange(length)).to(rows.device))
