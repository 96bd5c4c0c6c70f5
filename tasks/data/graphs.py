"""Random graphs seen twice: the nodes in another order and measured again, some edges lost."""

from __future__ import annotations

import numpy as np

from tasks.data.synthetic import Columns


def seen_twice(
    rng: np.random.Generator,
    count: int,
    *,
    nodes: int,
    others: int,
    lost: float,
    error: float,
    offset: float,
) -> Columns:
    """Edges and measured nodes of a graph, its second view, and views of other graphs.

    Within an example all graphs have about as many edges. The nodes of each view have an order of their own.

    Args:
        rng: draws the rows.
        count: rows.
        nodes: of a graph.
        others: graphs beside the one that is seen twice.
        lost: share of a view's missing edges.
        error: standard deviation of what a view adds to each of a node's two values, whose own is 1.
        offset: standard deviation of what a view adds to a value of all its nodes alike.

    Returns:
        ``edges`` uint8 (count, 2 + others, nodes, nodes), ``values`` float32 (count, 2 + others, nodes, 2).
    """
    density = rng.uniform(0.25, 0.45, (count, 1, 1, 1))
    closeness = rng.uniform(0, 1, (count, 1 + others, nodes))
    gaps = np.abs(closeness[..., :, None] - closeness[..., None, :])
    chance = 2 * density * (1 - gaps)
    whole = np.triu(rng.random(chance.shape) < np.minimum(chance, 1), 1)
    values = rng.normal(size=(count, 1 + others, nodes, 2))
    views, values = (np.concatenate([x[:, :1], x], 1) for x in (whole, values))
    values = values + error * rng.normal(size=values.shape)
    values = values + offset * rng.normal(size=(*values.shape[:2], 1, 2))
    views = views & (rng.random(views.shape) >= lost)
    views = views | views.transpose(0, 1, 3, 2)
    order = rng.random(views.shape[:3]).argsort(2)
    views = np.take_along_axis(views, order[..., :, None], 2)
    views = np.take_along_axis(views, order[..., None, :], 3)
    values = np.take_along_axis(values, order[..., None], 2)
    return {"edges": views.astype(np.uint8), "values": values.astype(np.float32)}
