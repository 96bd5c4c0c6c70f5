"""What one call of ``step()`` knows; averaged over the ranks of a distributed run, in one collective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import torch
import torch.distributed as dist

from arc.history.blocks import POINTS
from arc.history.losses import BLOCKS, CAPACITY
from arc.history.movement import FLOATS


@dataclass(frozen=True, kw_only=True)
class Report:
    """One call of ``step()``.

    Attributes:
        epoch: number of the call, from 1.
        lr: the reference LR in force.
        records: losses recorded since the last call, those of the warmup included.
        kept: losses in the buffer since the last call or before it; 0 during the warmup.
        mean: of the finite training losses since the last call; NaN if none is.
        first: the first of them that is finite; NaN likewise.
        bad: share of them that is not finite.
        whole: whether the trained weights are finite: 1, 0, or NaN where nobody looked.
        moved: |theta_k - theta_0| / |theta_0|; NaN where the weights are not followed.
        shift: |d_k| / |theta_0|, the median over parameter tensors; NaN likewise.
        cosine: of the call's change of the weights and the one before; NaN likewise, and without one.
        val_loss: the validation loss, None if there was none or none that is finite.
        stride: steps from one of ``losses`` to the next.
        weights: how the weights moved, as :meth:`arc.history.movement.Movement.packed` has it; empty where
            they are not followed.
        points, spreads: the call's finite losses as :func:`arc.history.blocks.blocks` gives them.
        distance, spread: what the network says of the LR (:class:`arc.network.estimator.Answer`); NaN where
            it was not asked. Every rank asks for itself, of what all ranks know.
        blocks: means of up to :data:`~arc.history.losses.BLOCKS` stretches of the call's losses.
        losses: the period's losses when it ends with this call; otherwise empty.
    """

    epoch: int
    lr: float
    records: int
    kept: int
    mean: float = math.nan
    first: float = math.nan
    bad: float = 0.0
    whole: float = math.nan
    moved: float = math.nan
    shift: float = math.nan
    cosine: float = math.nan
    val_loss: float | None = None
    stride: int = 1
    distance: float = math.nan
    spread: float = math.nan
    weights: Sequence[float] = ()
    points: Sequence[float] = ()
    spreads: Sequence[float] = ()
    blocks: Sequence[float] = ()
    losses: Sequence[float] = ()

    @property
    def movement(self) -> dict[str, Any]:
        """What is known of how the weights moved: the :data:`MOVEMENT` that are numbers, and ``weights``."""
        found = {name: getattr(self, name) for name in MOVEMENT}
        known = {name: value for name, value in found.items() if not math.isnan(value)}
        return known | ({"weights": list(self.weights)} if self.weights else {})


MOVEMENT: Final = ("whole", "moved", "shift", "cosine")
"""How the weights moved in a call."""

_COMMON: Final = ("epoch", "lr")
_COUNTS: Final = ("records", "kept", "stride")
_MEANS: Final = ("mean", "first", "bad", "moved", "shift", "cosine")
_SCALARS: Final = (*_COMMON, *_COUNTS, *_MEANS, "whole", "val_loss")
_ROWS: Final = {"weights": FLOATS, "points": POINTS, "spreads": POINTS, "blocks": BLOCKS, "losses": CAPACITY}
"""Fields with several values, and how many they are at most."""
assert {f.name for f in fields(Report)} == {*_SCALARS, *_ROWS, "distance", "spread"}


def over_ranks(report: Report) -> Report:
    """The same report on every rank: losses averaged. The report itself outside torch.distributed.

    Raises:
        RuntimeError: ranks at different calls or LRs, or a rank that did not answer in time.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return report
    reports = [_unpacked(row) for row in _gathered(_packed(report))]
    for name in _COMMON:
        values = [getattr(r, name) for r in reports]
        if len(set(values)) > 1:
            raise RuntimeError(
                f"ranks disagree: {name} is {values} on ranks 0 to {len(values) - 1}; every rank must start "
                "from the same LR and call step() equally often"
            )
    return merged(reports)


def merged(reports: list[Report]) -> Report:
    """One report for all ranks: means over the ranks that have a value."""
    stride = max(r.stride for r in reports)
    val_losses = [r.val_loss for r in reports if r.val_loss is not None]
    means: dict[str, Any] = {name: _mean([getattr(r, name) for r in reports]) for name in _MEANS}
    rows = {name: _columns([getattr(r, name) for r in reports]) for name in _ROWS if name != "losses"}
    return replace(
        reports[0],
        **means | rows,
        records=min(r.records for r in reports),
        kept=min(r.kept for r in reports),
        whole=min((r.whole for r in reports if not math.isnan(r.whole)), default=math.nan),
        val_loss=_mean(val_losses) if val_losses else None,
        stride=stride,
        losses=_columns([r.losses[:: stride // r.stride] for r in reports]),
    )


def _columns(rows: list[Sequence[float]]) -> list[float]:
    return [_mean([row[i] for row in rows if i < len(row)]) for i in range(max(map(len, rows)))]


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _packed(report: Report) -> list[float]:
    values = [getattr(report, name) for name in _SCALARS]
    scalars = [math.nan if value is None else float(value) for value in values]
    # A fixed size: ranks at different calls then meet in one collective and can be told apart.
    return [*scalars, *(v for name, size in _ROWS.items() for v in _filled(getattr(report, name), size))]


def _filled(values: Sequence[float], length: int) -> list[float]:
    return [len(values), *values, *[0.0] * (length - len(values))]


def _unpacked(row: list[float]) -> Report:
    found: dict[str, Any] = dict(zip(_SCALARS, row, strict=False))
    val_loss = found.pop("val_loss")
    integers: dict[str, Any] = {name: int(found.pop(name)) for name in ("epoch", *_COUNTS)}
    rows: dict[str, Any] = {}
    begin = len(_SCALARS)
    for name, size in _ROWS.items():
        rows[name] = row[begin + 1 : begin + 1 + int(row[begin])]
        begin += size + 1
    return Report(**integers, **found, **rows, val_loss=None if math.isnan(val_loss) else val_loss)


def _gathered(row: list[float]) -> list[list[float]]:
    cuda = "nccl" in str(dist.get_backend())
    device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
    mine = torch.tensor(row, dtype=torch.float64, device=device)
    rows = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    try:
        dist.all_gather(rows, mine)
    except RuntimeError as error:
        raise RuntimeError(
            f"rank {dist.get_rank()} waited in step() for the other ranks in vain: {error}; check that every "
            "rank calls controller.step() equally often and that none has stopped"
        ) from error
    gathered: list[list[float]] = torch.stack(rows).tolist()
    return gathered
