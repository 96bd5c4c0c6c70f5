"""Nested states of tensors: copied to host memory, and put back in place."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from arc.recovery.streams import Streams
from arc.tensors import local

_TENSOR, _ARRAY = "arc.tensor", "arc.array"


@dataclass(frozen=True)
class Kept:
    """A tensor's copy in host memory.

    Attributes:
        host: the values; of a sharded tensor (DTensor) this rank's shard.
        beside: whether the tensor was where its parameter is (a step counter may stay on the CPU).
    """

    host: Tensor
    beside: bool


def usable(tensor: Any) -> bool:
    """Whether the tensor has values that can be written in place: none that is lazy, meta, or expanded."""
    if is_lazy(tensor) or tensor.is_meta:
        return False
    own = local(tensor)
    return own.layout == torch.strided and not any(
        stride == 0 and size > 1 for stride, size in zip(own.stride(), own.shape, strict=True)
    )


def keep(
    value: Any,
    into: Any,
    streams: Streams,
    device: torch.device | None = None,
    *,
    at_once: bool = False,
) -> Any:
    """A copy of a nested state in host memory, each tensor in the order that it has in memory.

    Args:
        value: tensors, numbers, and dicts, lists and tuples of them; anything else is deep-copied.
        into: an older copy, whose memory is used again where shapes, types and orders are the same.
        streams: what carries the copies.
        device: where the parameter is that the state belongs to.
        at_once: as for :meth:`Streams.to_host`.
    """
    if isinstance(value, Tensor):
        source = local(value)
        if source.layout != torch.strided:
            return Kept(source.to("cpu", copy=True), source.device == device)
        host = into.host if isinstance(into, Kept) else None
        if host is None or not _alike(host, source):
            host = torch.empty_like(source, device="cpu", pin_memory=source.is_cuda)
        streams.to_host(host, source, at_once=at_once)
        return Kept(host, source.device == device)
    if isinstance(value, dict):
        old = into if isinstance(into, dict) else {}
        return {k: keep(v, old.get(k), streams, device, at_once=at_once) for k, v in value.items()}
    if type(value) in (list, tuple):
        same = isinstance(into, list | tuple) and len(into) == len(value)
        olds = into if same else [None] * len(value)
        pairs = zip(value, olds, strict=True)
        return type(value)(keep(v, old, streams, device, at_once=at_once) for v, old in pairs)
    return copy.deepcopy(value)


def _alike(host: Tensor, source: Tensor) -> bool:
    """Whether ``host`` is as a new copy would be; one in another order would go through a second tensor."""
    if host.shape != source.shape or host.dtype != source.dtype:
        return False
    return (
        host.stride() == source.stride() or host.stride() == torch.empty_like(source, device="meta").stride()
    )


def put(kept: Any, now: Any, like: Tensor | None = None) -> Any:
    """The state that a copy holds, written into the tensors of the present state where they fit.

    A CUDA device may still be writing (:func:`arrive`): its current stream comes behind.

    Args:
        kept: from :func:`keep`; it stays as it is.
        now: the present state; dicts and lists are changed in place.
        like: the parameter that the state belongs to: new tensors go to its device, sharded like it.
    """
    if isinstance(kept, Kept):
        if isinstance(now, Tensor) and usable(now):
            target = local(now)
            if target.shape == kept.host.shape and target.dtype == kept.host.dtype:
                target.copy_(kept.host, non_blocking=target.is_cuda)
                return now
        return _new(kept, like)
    if isinstance(kept, dict):
        state = now if isinstance(now, dict) else {}
        for key in [key for key in state if key not in kept]:
            del state[key]
        for key, value in kept.items():
            state[key] = put(value, state.get(key), like)
        return state
    if type(kept) in (list, tuple):
        same = isinstance(now, list | tuple) and len(now) == len(kept)
        news = now if same else [None] * len(kept)
        values = [put(k, n, like) for k, n in zip(kept, news, strict=True)]
        if isinstance(now, list) and isinstance(kept, list):
            now[:] = values
            return now
        return type(kept)(values)
    return copy.deepcopy(kept)


def _new(kept: Kept, like: Any) -> Tensor:
    if like is None or not kept.beside:
        return kept.host.clone()
    value = kept.host.to(like.device, copy=True, non_blocking=like.is_cuda)
    if hasattr(like, "device_mesh") and value.shape == local(like).shape and value.dim():
        from torch.distributed.tensor import DTensor

        return DTensor.from_local(
            value, like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
        )
    return value


def encoded(value: Any) -> Any:
    """A copy as plain types and tensors, which load with ``weights_only=True``.

    Raises:
        TypeError: an object that is no such thing.
    """
    if isinstance(value, Kept):
        return {_TENSOR: value.host, "beside": value.beside}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {_ARRAY: torch.from_numpy(value.copy())}
    if isinstance(value, dict):
        return {k: encoded(v) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(encoded, value))
    plain: Any
    for plain in (bool, int, float, complex, str, bytes):
        if isinstance(value, plain):  # of a subclass (an enum, numpy's float64) the plain value
            return plain(value)
    if value is None or isinstance(value, torch.dtype | torch.device | torch.Size):
        return value
    raise TypeError(
        f"got {value!r:.60} ({type(value).__name__}) in an optimizer's state or in extra_state, need "
        "numbers, strings, tensors, arrays and lists or dicts of them: leave it out, or set rollback=False"
    )


def decoded(value: Any) -> Any:
    """What :func:`encoded` was given; tensors on any device are brought to the CPU."""
    if isinstance(value, dict):
        if _TENSOR in value:
            return Kept(value[_TENSOR].detach().cpu(), bool(value["beside"]))
        if _ARRAY in value:
            return value[_ARRAY].cpu().numpy().copy()
        return {k: decoded(v) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(decoded, value))
    return value
