"""One call of ``step()`` on all ranks of a distributed run: their mean, in one collective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Final

import torch
import torch.distributed as dist

from arc.history.blocks import POINTS
from arc.history.course import Call
from arc.history.losses import BLOCKS, CAPACITY
from arc.history.movement import FLOATS, Movement

_COMMON: Final = ("epoch", "lr")
_COUNTS: Final = ("steps", "kept", "stride")
_MEANS: Final = ("mean", "first", "bad")
_SCALARS: Final = (*_COMMON, *_COUNTS, *_MEANS, "val_loss")
_ROWS: Final = {"moved": FLOATS, "means": POINTS, "spreads": POINTS, "blocks": BLOCKS, "losses": CAPACITY}
"""Fields with several values, and how many they are at most."""
assert {f.name for f in fields(Call)} == {*_SCALARS, *_ROWS, "estimate"}


def over_ranks(call: Call) -> Call:
    """The same call on every rank: losses and movement averaged. Itself outside torch.distributed.

    Raises:
        RuntimeError: ranks at different calls or LRs, or a rank that did not answer in time.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return call
    calls = [_unpacked(row) for row in _gathered(_packed(call))]
    for name in _COMMON:
        values = [getattr(one, name) for one in calls]
        if len(set(values)) > 1:
            raise RuntimeError(
                f"ranks disagree: {name} is {values} on ranks 0 to {len(values) - 1}; every rank must start "
                "from the same LR and call step() equally often"
            )
    return merged(calls)


def merged(calls: list[Call]) -> Call:
    """One call for all ranks: means over the ranks that have a value."""
    stride = max(one.stride for one in calls)
    val_losses = [one.val_loss for one in calls if one.val_loss is not None]
    means: dict[str, Any] = {name: _mean([getattr(one, name) for one in calls]) for name in _MEANS}
    rows = {name: _columns([getattr(one, name) for one in calls]) for name in ("means", "spreads", "blocks")}
    return replace(
        calls[0],
        **means | rows,
        steps=min(one.steps for one in calls),
        kept=min(one.kept for one in calls),
        moved=_moved([one.moved for one in calls if one.moved is not None]),
        val_loss=_mean(val_losses) if val_losses else None,
        stride=stride,
        losses=_columns([one.losses[:: stride // one.stride] for one in calls]),
    )


def _moved(known: list[Movement]) -> Movement | None:
    """The mean; weights that are not finite on one rank are so on all."""
    if not known:
        return None
    mean = Movement.unpacked(_columns([one.packed() for one in known]))
    return mean if all(one.finite for one in known) else replace(mean, norm=math.nan)


def _columns(rows: list[Sequence[float]]) -> list[float]:
    return [_mean([row[i] for row in rows if i < len(row)]) for i in range(max(map(len, rows)))]


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _packed(call: Call) -> list[float]:
    values = [getattr(call, name) for name in _SCALARS]
    scalars = [math.nan if value is None else float(value) for value in values]
    rows = {name: getattr(call, name) for name in _ROWS}
    rows["moved"] = [] if call.moved is None else call.moved.packed()
    # A fixed size: ranks at different calls then meet in one collective and can be told apart.
    return [*scalars, *(value for name, size in _ROWS.items() for value in _filled(rows[name], size))]


def _filled(values: Sequence[float], length: int) -> list[float]:
    return [len(values), *values, *[0.0] * (length - len(values))]


def _unpacked(row: list[float]) -> Call:
    found: dict[str, Any] = dict(zip(_SCALARS, row, strict=False))
    val_loss = found.pop("val_loss")
    integers: dict[str, Any] = {name: int(found.pop(name)) for name in ("epoch", *_COUNTS)}
    rows: dict[str, Any] = {}
    begin = len(_SCALARS)
    for name, size in _ROWS.items():
        rows[name] = row[begin + 1 : begin + 1 + int(row[begin])]
        begin += size + 1
    rows["moved"] = Movement.unpacked(rows["moved"]) if rows["moved"] else None
    return Call(**integers, **found, **rows, val_loss=None if math.isnan(val_loss) else val_loss)


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
