"""What one call of ``step()`` knows; averaged over the ranks of a distributed run, in one collective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
import torch.distributed as dist

from arc.history.losses import CAPACITY

_SCALARS: Final = 13


@dataclass(frozen=True, kw_only=True)
class Report:
    """One call of ``step()``.

    Attributes:
        epoch: number of the call, from 1.
        lr: the reference LR in force.
        records: losses recorded since the last call, those of the warmup included.
        kept: losses in the buffer since the last call or before it; 0 during the warmup.
        mean, low, high, first: of the training losses since the last call; NaN where one is not finite.
        val_loss: the validation loss, None if there was none.
        moved: how far the parameters are from the start, relative to their norm; NaN where not measured.
        pulse: how alive the net is (:class:`arc.recovery.pulse.Pulse`); NaN where not measured.
        stride: steps from one of ``losses`` to the next.
        losses: the period's losses when it ends with this call; otherwise empty.
    """

    epoch: int
    lr: float
    records: int
    kept: int
    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    first: float = math.nan
    val_loss: float | None = None
    moved: float = math.nan
    pulse: float = math.nan
    stride: int = 1
    losses: Sequence[float] = ()


def over_ranks(report: Report) -> Report:
    """The same report on every rank: losses averaged. The report itself outside torch.distributed.

    Raises:
        RuntimeError: ranks at different calls or LRs, or a rank that did not answer in time.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return report
    reports = [_unpacked(row) for row in _gathered(_packed(report))]
    for name in ("epoch", "lr"):
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
    thinned = [r.losses[:: stride // r.stride] for r in reports]
    columns = [[row[i] for row in thinned if i < len(row)] for i in range(max(map(len, thinned)))]
    val_losses = [r.val_loss for r in reports if r.val_loss is not None]
    return replace(
        reports[0],
        records=min(r.records for r in reports),
        kept=min(r.kept for r in reports),
        mean=_mean([r.mean for r in reports]),
        low=_mean([r.low for r in reports]),
        high=_mean([r.high for r in reports]),
        first=_mean([r.first for r in reports]),
        moved=_mean([r.moved for r in reports]),
        pulse=_mean([r.pulse for r in reports]),
        val_loss=_mean(val_losses) if val_losses else None,
        stride=stride,
        losses=[_mean(column) for column in columns],
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _packed(report: Report) -> list[float]:
    r = report
    scalars = [r.epoch, r.lr, r.records, r.kept, r.mean, r.low, r.high, r.first, r.moved, r.pulse, r.stride]
    val = [0.0, 0.0] if r.val_loss is None else [1.0, r.val_loss]
    # A fixed size: ranks at different calls then meet in one collective and can be told apart.
    return [*scalars, *val, len(r.losses), *r.losses, *[0.0] * (CAPACITY - len(r.losses))]


def _unpacked(row: list[float]) -> Report:
    epoch, lr, records, kept, mean, low, high, first, moved, pulse, stride, has_val, val = row[:_SCALARS]
    count = int(row[_SCALARS])
    return Report(
        epoch=int(epoch),
        lr=lr,
        records=int(records),
        kept=int(kept),
        mean=mean,
        low=low,
        high=high,
        first=first,
        moved=moved,
        pulse=pulse,
        stride=int(stride),
        val_loss=val if has_val else None,
        losses=row[_SCALARS + 1 : _SCALARS + 1 + count],
    )


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
