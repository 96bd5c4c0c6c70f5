"""What longer and shorter runs change."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from proxy_eval.report.cells import number
from proxy_eval.report.page import Block, Table, Text
from proxy_eval.report.summary import title


def horizons(all_rows: Mapping[float, pd.DataFrame]) -> list[Block]:
    """Mean scores at other lengths, at the LR0s and for the methods that all lengths share."""
    lengths = sorted(all_rows)
    if len(lengths) < 2:
        return [Text("Only one horizon has been run so far.")]
    cells = [
        set(zip(r["label"], r["task"], r["decade"].fillna(99.0), strict=True)) for r in all_rows.values()
    ]
    shared = set.intersection(*cells)
    if not shared:
        return [Text("The horizons share no cell so far.")]
    means: dict[float, pd.Series] = {}
    for length in lengths:
        rows = all_rows[length]
        key = pd.Series(
            list(zip(rows["label"], rows["task"], rows["decade"].fillna(99.0), strict=True)), rows.index
        )
        mine = rows[key.isin(shared)]
        means[length] = mine.groupby(["label", "task"])["best"].mean().groupby("label").mean()
    labels = sorted(means[lengths[0]].index, key=lambda label: -means[lengths[-1]][label])
    table = Table(
        ["method", *(f"{length:g} x" for length in lengths)],
        [[title(label), *(number(float(means[length][label])) for length in lengths)] for label in labels],
    )
    best = [f"{title(str(means[n].idxmax()))} at {n:g} x" for n in lengths]
    decades = sorted({d + 0.0 for _, _, d in shared if d != 99.0})  # -0.0 becomes 0.0
    return [
        table,
        Text(
            f"Mean scores over the tasks at LR0s {', '.join(f'{d:+g}' for d in decades)} decades from the "
            f"middle of the grid, each length measured with its own oracle. Best: {', '.join(best)}."
        ),
    ]
