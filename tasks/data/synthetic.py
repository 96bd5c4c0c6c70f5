"""What all made-up data sets share: a random stream per split, and no other source."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from tasks.base import Batch, Source, Splits, TaskError
from tasks.data.cache import cached
from tasks.seeding import derive

Columns = dict[str, np.ndarray]
Draw = Callable[[np.random.Generator, int], Columns]


def drawn(source: Source, name: str, version: int, examples: tuple[int, int, int], draw: Draw) -> Splits:
    """Splits whose rows come from random streams that they do not share; TaskError for other sources.

    Args:
        source: must be embedded: there is no published data set behind it.
        name: of the data with every number that it depends on, but for ``examples``.
        version: raise it with every change of ``draw``.
        examples: training, validation and test rows.
        draw: takes a generator and a number of rows; gives the columns.
    """
    if source.kind != "embedded":
        raise TaskError(f"got data={source.kind}; {name.partition('-')[0]} exists as data=embedded only")

    def build() -> Splits:
        splits: list[Batch] = []
        for split, count in zip(Splits._fields, examples, strict=True):
            rng = np.random.default_rng(derive(f"{name}-{split}"))
            splits.append({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in draw(rng, count).items()})
        return Splits(*splits)

    return cached(f"{name}-{'-'.join(map(str, examples))}", version, build)
