"""Random graphs seen twice: with other numbers on the nodes, some edges lost."""

from __future__ import annotations

import numpy as np

from tasks.data.synthetic import Columns


def seen_twice(rng: np.random.Generator, count: int, *, nodes: int, others: int, lost: float) -> Columns:
    """``graphs`` uint8 (count, 2 + others, nodes, nodes): a graph, its second view, views of other graphs.

    Every view of a graph has its nodes in another order and lacks a share ``lost`` of the edges. Within an
    example all graphs have about as many edges.
    """
    density = rng.uniform(0.25, 0.45, (count, 1, 1, 1))
    closeness = rng.uniform(0, 1, (count, 1 + others, nodes))
    gaps = np.abs(closeness[..., :, None] - closeness[..., None, :])
    chance = 2 * density * (1 - gaps)
    whole = np.triu(rng.random(chance.shape) < np.minimum(chance, 1), 1)
    views = np.concatenate([whole[:, :1], whole], 1)
    views = views & (rng.random(views.shape) >= lost)
    views = views | views.transpose(0, 1, 3, 2)
    order = rng.random(views.shape[:3]).argsort(2)
    views = np.take_along_axis(views, order[..., :, None], 2)
    return {"graphs": np.take_along_axis(views, order[..., None, :], 3).astype(np.uint8)}
