"""A small embedded table: measurements of breast tumours, which scikit-learn ships."""

from __future__ import annotations

import torch

from tasks.base import Batch, Splits, TaskError
from tasks.seeding import derive


def tumours(examples: tuple[int, int, int]) -> Splits:
    """``x`` float32 (n, 30), standardised with the training rows, and ``label`` int64 (n,) of two kinds.

    Args:
        examples: training, validation and test rows; at most 569 in all (TaskError otherwise).

    Source: Wolberg et al., 1995, ``sklearn.datasets.load_breast_cancer``.
    """
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    if sum(examples) > len(table.target):
        raise TaskError(f"got examples={examples}, need at most {len(table.target)} in all")
    order = torch.randperm(len(table.target), generator=torch.Generator().manual_seed(derive("tumours")))
    rows = torch.split(order[: sum(examples)], list(examples))
    x, labels = torch.from_numpy(table.data), torch.from_numpy(table.target).long()
    mean, deviation = x[rows[0]].mean(0), x[rows[0]].std(0)
    parts: list[Batch] = [{"x": ((x[r] - mean) / deviation).float(), "label": labels[r]} for r in rows]
    return Splits(*parts)
