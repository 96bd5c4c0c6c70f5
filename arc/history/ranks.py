"""One call of ``step()`` on all ranks of a distributed run, in one collective.

Losses are means over the ranks. Of weights that are sharded each rank has seen a part: what a norm and a
cosine are made of is added up over the parts (:meth:`arc.history.sums.Sums.mean`), and only then made.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Final

import torch
import torch.distributed as dist

from arc.history.blocks import POINTS, STRETCHES
from arc.history.course import Call
from arc.history.losses import CAPACITY
from arc.history.movement import FLOATS, Movement
from arc.history.sums import PACKED, Sums

_COMMON: Final = ("epoch", "lr")
_COUNTS: Final = ("steps", "kept", "stride")
_MEANS: Final = ("mean", "first", "bad")
_SCALARS: Final = (*_COMMON, *_COUNTS, *_MEANS, "val_loss")
_ROWS: Final = {"moved": FLOATS, "means": POINTS, "spreads": POINTS, "blocks": STRETCHES, "losses": CAPACITY}
"""Fields with several values, and how many they are at most."""
assert {f.name for f in fields(Call)} == {*_SCALARS, *_ROWS, "estimate"}


def group_of(given: Any) -> Any:
    """The process group that was given, None for all ranks.

    Raises:
        TypeError: none that this rank is a member of.
    """
    if given is None or (dist.is_available() and isinstance(given, dist.ProcessGroup)):
        return given
    raise TypeError(
        f"got process_group={given!r:.60}, need a torch.distributed process group that this rank is in"
    )


def over_ranks(
    call: Call, parts: Sums | None = None, *, kept: int = 1, group: Any = None
) -> tuple[Call, int]:
    """The same call on every rank: losses averaged, movement that of the whole weights.

    Outside torch.distributed the call itself.

    Args:
        call: of this rank.
        parts: what its movement was made of, where some weights are sharded; None where each rank has all.
        kept: which states this rank has to go back to, as bits.
        group: process group of the ranks that train together; None: all.

    Returns:
        The call, and the states that all ranks have to go back to: one alone must not.

    Raises:
        RuntimeError: ranks at different calls or LRs, or a rank that did not answer in time.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size(group) == 1:
        return call, kept
    sums = [] if parts is None else parts.packed()
    rows = _gathered([float(kept), *_packed(call), *_filled(sums, PACKED)], group)
    calls = [_unpacked(row[1:]) for row in rows]
    for name in _COMMON:
        values = [getattr(one, name) for one in calls]
        if len(set(values)) > 1:
            raise RuntimeError(
                f"ranks disagree: {name} is {values} on ranks 0 to {len(values) - 1}; every rank must start "
                "from the same LR and call step() equally often"
            )
    whole = merged(calls)
    if all(row[-PACKED - 1] for row in rows):
        whole = replace(whole, moved=Sums.mean([row[-PACKED:] for row in rows]).movement())
    return whole, functools.reduce(operator.and_, (int(row[0]) for row in rows))


def merged(calls: list[Call]) -> Call:
    """One call for all ranks: means over those that have a value.

    Losses are those of the ranks that recorded some: of a pipeline only the last stage does.
    """
    told = [one for one in calls if one.steps] or calls
    stride = max(one.stride for one in told)
    val_losses = [one.val_loss for one in calls if one.val_loss is not None]
    means: dict[str, Any] = {name: _mean([getattr(one, name) for one in told]) for name in _MEANS}
    rows = {name: _columns([getattr(one, name) for one in told]) for name in ("means", "spreads", "blocks")}
    return replace(
        calls[0],
        **means | rows,
        steps=min(one.steps for one in told),
        kept=min(one.kept for one in told),
        moved=_moved([one.moved for one in calls if one.moved is not None]),
        val_loss=_mean(val_losses) if val_losses else None,
        stride=stride,
        losses=_columns([one.losses[:: stride // one.stride] for one in told]),
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


def mean_over_ranks(value: float, group: Any = None) -> float:
    """The mean of the ranks' values, the same on every rank; ``value`` itself outside torch.distributed.

    Every rank has to call it equally often. What is not finite on one rank is not on all.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size(group) == 1:
        return float(value)
    total = torch.tensor(float(value), dtype=torch.float64, device=_device(group))
    dist.all_reduce(total, group=group)
    return float(total) / dist.get_world_size(group)


def _device(group: Any) -> torch.device:
    cuda = "nccl" in str(dist.get_backend(group))
    return torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")


def _gathered(row: list[float], group: Any) -> list[list[float]]:
    mine = torch.tensor(row, dtype=torch.float64, device=_device(group))
    rows = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    try:
        dist.all_gather(rows, mine, group=group)
    except RuntimeError as error:
        raise RuntimeError(
            f"rank {dist.get_rank()} waited in step() for the other ranks in vain: {error}; check that every "
            "rank calls controller.step() equally often and that none has stopped"
        ) from error
    gathered: list[list[float]] = torch.stack(rows).tolist()
    return gathered
