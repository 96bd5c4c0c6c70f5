"""Nested states of tensors: copied to host memory, and put back in place."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

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


def local(tensor: Tensor) -> Tensor:
    """The tensor itself, without a graph; of a DTensor this rank's shard, sharing its memory."""
    tensor = tensor.detach()
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def usable(tensor: Any) -> bool:
    """Whether the tensor has values that can be written in place: no lazy parameter, no expanded view."""
    if is_lazy(tensor):
        return False
    own = local(tensor)
    return own.layout == torch.strided and not any(
        stride == 0 and size > 1 for stride, size in zip(own.stride(), own.shape, strict=True)
    )


class Streams:
    """Side streams of the CUDA devices that copies to pinned host memory run on; nothing on other devices.

    :meth:`to_host` returns before the copy has ended. Before the host values are read :meth:`finish`
    must be called; before the device's own values change, :meth:`hold`.
    """

    def __init__(self) -> None:
        self._side: dict[torch.device, torch.cuda.Stream] = {}
        self._ended: list[torch.cuda.Event] = []
        self._held = True

    def begin(self) -> None:
        """Copies from now on see what the devices' current streams have computed up to here."""
        self.finish()
        for side in self._side.values():
            side.wait_stream(torch.cuda.current_stream(side.device))

    def to_host(self, host: Tensor, source: Tensor) -> None:
        """Copy into ``host``, asynchronously from a CUDA device into pinned memory."""
        if source.device.type != "cuda":
            host.copy_(source)
            return
        side = self._side.get(source.device)
        if side is None:
            side = self._side[source.device] = torch.cuda.Stream(source.device)
            side.wait_stream(torch.cuda.current_stream(source.device))
        with torch.cuda.stream(side):
            host.copy_(source, non_blocking=True)
        source.record_stream(side)  # its memory is not given to others before the copy has ended

    def end(self) -> None:
        """All copies of this round are under way."""
        self._ended = [side.record_event() for side in self._side.values()]
        self._held = not self._ended

    def hold(self) -> None:
        """Let the devices' current streams wait for the copies; the host does not wait."""
        if not self._held:
            for side, event in zip(self._side.values(), self._ended, strict=False):
                torch.cuda.current_stream(side.device).wait_event(event)
            self._held = True

    def finish(self) -> None:
        """Wait until the copies are complete."""
        self.hold()
        for event in self._ended:
            event.synchronize()
        self._ended = []


def keep(value: Any, into: Any, streams: Streams, device: torch.device | None = None) -> Any:
    """A copy of a nested state in host memory.

    Args:
        value: tensors, numbers, and dicts, lists and tuples of them; anything else is deep-copied.
        into: an older copy, whose memory is used again where shapes and types are the same.
        streams: what carries the copies.
        device: where the parameter is that the state belongs to.
    """
    if isinstance(value, Tensor):
        source = local(value)
        if source.layout != torch.strided:
            return Kept(source.to("cpu", copy=True), source.device == device)
        host = into.host if isinstance(into, Kept) else None
        if host is None or host.shape != source.shape or host.dtype != source.dtype:
            pinned = source.device.type == "cuda"
            host = torch.empty(source.shape, dtype=source.dtype, device="cpu", pin_memory=pinned)
        streams.to_host(host, source)
        return Kept(host, source.device == device)
    if isinstance(value, dict):
        old = into if isinstance(into, dict) else {}
        return {k: keep(v, old.get(k), streams, device) for k, v in value.items()}
    if type(value) in (list, tuple):
        same = isinstance(into, list | tuple) and len(into) == len(value)
        olds = into if same else [None] * len(value)
        return type(value)(keep(v, o, streams, device) for v, o in zip(value, olds, strict=True))
    return copy.deepcopy(value)


def put(kept: Any, now: Any, like: Tensor | None = None) -> Any:
    """The state that a copy holds, written into the tensors of the present state where they fit.

    Args:
        kept: from :func:`keep`; it stays as it is.
        now: the present state; dicts and lists are changed in place.
        like: the parameter that the state belongs to: new tensors go to its device, sharded like it.
    """
    if isinstance(kept, Kept):
        if isinstance(now, Tensor) and usable(now):
            target = local(now)
            if target.shape == kept.host.shape and target.dtype == kept.host.dtype:
                target.copy_(kept.host)
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
    value = kept.host.to(like.device, copy=True)
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


def all_finite(tensors: Iterable[Tensor]) -> Tensor:
    """Whether every value of the tensors is finite: one boolean on the device, not read here.

    Sharded tensors are judged by this rank's shards. Integers and lazy parameters count as finite.
    """
    by_device: dict[torch.device, list[Tensor]] = {}
    for tensor in tensors:
        if usable(tensor):
            own = local(tensor)
            if own.numel() and (own.is_floating_point() or own.is_complex()):
                by_device.setdefault(own.device, []).append(own)
    if not by_device:
        return torch.tensor(True)
    found = [_finite(group) for group in by_device.values()]
    first = found[0].device
    return torch.stack([one.to(first) for one in found]).all()


def _finite(tensors: list[Tensor]) -> Tensor:
    if tensors[0].device.type == "cpu":  # a sum is the fastest look; a finite one rules everything out
        return torch.tensor(all(bool(t.sum().isfinite()) or bool(t.isfinite().all()) for t in tensors))
    # the largest magnitude is finite exactly where all values are, and cannot overflow
    return torch.stack([norm.isfinite() for norm in torch._foreach_norm(tensors, torch.inf)]).all()
