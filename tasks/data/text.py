"""What all text data share: vocabularies, padded rows, windows of a long text, random crops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from tasks.base import Batch, Splits, TaskError

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


def running_text(
    texts: Sequence[Sequence[str]], *, size: int, length: int, span: int, rows: int | None
) -> Splits:
    """Windows of a training, a validation and a test text, for next-token prediction.

    Args:
        texts: the tokens of each.
        size: of the vocabulary, which the training text decides.
        length: tokens that an example predicts; held-out rows have ``length + 1``.
        span: the same of a training row.
        rows: most training rows (None: all); validation and test have at most half as many each.
    """
    ids = vocabulary(texts[0], size)
    train = windows(encode(texts[0], ids), span, rows)
    val, test = (windows(encode(text, ids), length, rows and rows // 2) for text in texts[1:])
    return disjoint({"text": train}, {"text": val}, {"text": test})


def crop(batch: Batch, length: int, generator: torch.Generator) -> Batch:
    """A window of ``length`` tokens of each row, at a random place, the same in every (rows, tokens) tensor.

    Rows of ``length`` tokens or fewer, and tensors of other shapes, are left as they are.
    """
    tokens = next(t.shape[1] for t in batch.values() if t.dim() == 2)
    if tokens <= length:
        return batch
    rows = len(next(iter(batch.values())))
    device = generator.device
    first = torch.randint(tokens - length + 1, (rows, 1), generator=generator, device=device)
    places = first + torch.arange(length, device=device)
    return {
        k: t.gather(1, places.to(t.device, non_blocking=True)) if t.dim() == 2 else t
        for k, t in batch.items()
    }


def disjoint(train: Batch, val: Batch, test: Batch, key: str = "text") -> Splits:
    """The splits without the validation and test rows that repeat a row (or a part of one) before them.

    Phrases of one row's length recur even in different sources. ``key`` names the tensor of token
    ids; its training rows may be longer than the others.
    """
    width = val[key].shape[1]
    seen = _windows_of(train[key], width)
    kept = []
    for split in (val, test):
        texts = [row.tobytes() for row in split[key].numpy()]
        rows = torch.tensor([text not in seen for text in texts])
        seen |= set(texts)
        kept.append({name: tensor[rows] for name, tensor in split.items()})
    return Splits(train, *kept)


def _windows_of(rows: Tensor, width: int) -> set[bytes]:
    table = rows.unfold(1, width, 1).flatten(0, 1).contiguous().numpy()
    return {row.tobytes() for row in table}
