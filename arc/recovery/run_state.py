"""The state of a run: copied whole, put back in place, and made plain for a file."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn

from arc.optimizers.schedulers import LR_KEYS
from arc.recovery.streams import Streams, arrive
from arc.recovery.tensors import Kept, decoded, encoded, keep, local, put, usable

HYPERPARAMETERS: Final = frozenset(LR_KEYS) | {
    name
    for found in vars(torch.optim).values()
    if isinstance(found, type) and issubclass(found, torch.optim.Optimizer)
    for name in inspect.signature(found).parameters
    if name != "d"  # a constant of Adafactor, but what Prodigy estimates
}
"""Entries of a parameter group that are the user's, never taken back: the arguments of torch's optimizers.
Numbers by other names are counters that an optimizer keeps there (Prodigy's ``d``, Schedule-Free's ``k``)."""


@dataclass
class Copy:
    """One copy of a run's state; parameters are known by identity, buffers by name, the rest by position."""

    call: int = 0
    parameters: dict[Any, Kept] = field(default_factory=dict)
    states: list[dict[Any, Any]] = field(default_factory=list)  # per optimizer: parameter or key -> state
    counters: list[list[dict[str, Any]]] = field(default_factory=list)  # per optimizer and group
    buffers: dict[str, Kept] = field(default_factory=dict)
    extra: list[Any] = field(default_factory=list)
    lent: bool = False  # its tensors are in a state_dict: not to be overwritten


class RunState:
    """What of a run is copied: parameters, optimizer state, buffers, further objects.

    Args:
        optimizers: whose parameters and state; of their groups the counters, not the hyperparameters.
        model: its buffers.
        extra: objects with ``state_dict()`` and ``load_state_dict()``.

    Attributes:
        streams: what carries the copies from a CUDA device.

    Raises:
        TypeError: an object in ``extra`` without the two methods.
    """

    def __init__(self, optimizers: list[Any], model: nn.Module | None, extra: Sequence[Any]) -> None:
        self.optimizers = optimizers
        self.streams = Streams()
        self._model = model
        self._extra = list(extra)
        for one in self._extra:
            if not (hasattr(one, "state_dict") and hasattr(one, "load_state_dict")):
                raise TypeError(
                    f"got {one!r:.60} in extra_state, need objects with state_dict() and load_state_dict()"
                )
        self._hooked = False

    def parameters(self) -> list[Any]:
        """Each parameter of the optimizers once, in their order."""
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        return list(dict.fromkeys(p for group in groups for p in group.get("params", ())))

    @property
    def has_model(self) -> bool:
        """Whether there are buffers to be seen."""
        return self._model is not None

    def _buffers(self) -> list[tuple[str, Tensor]]:
        named = () if self._model is None else self._model.named_buffers()
        return [(key, buffer) for key, buffer in named if usable(buffer)]

    # -- copied and put back ---------------------------------------------------------------------

    def fill(self, state: Copy, call: int) -> None:
        """Make ``state`` a copy of the present, in its memory where that fits."""
        old, streams = state, self.streams
        streams.begin()
        with torch.no_grad():
            buffers = {  # the next forward pass writes them, before any step that waits for the copies
                key: keep(b, old.buffers.get(key), streams, b.device, at_once=True)
                for key, b in self._buffers()
            }
            parameters = {
                p: keep(p, old.parameters.get(p), streams, p.device) for p in self.parameters() if usable(p)
            }
            states: list[dict[Any, Any]] = []
            for i, optimizer in enumerate(self.optimizers):
                before = _at(old.states, i) or {}
                states.append(
                    {
                        key: keep(value, before.get(key), streams, getattr(key, "device", None))
                        for key, value in getattr(optimizer, "state", {}).items()
                    }
                )
            counters = [
                [_counters(group, _at(_at(old.counters, i), j), streams) for j, group in enumerate(groups)]
                for i, groups in enumerate(optimizer.param_groups for optimizer in self.optimizers)
            ]
            extra = [keep(one.state_dict(), _at(old.extra, i), streams) for i, one in enumerate(self._extra)]
        streams.end()
        self._let_steps_wait()
        state.call, state.parameters, state.states, state.buffers = call, parameters, states, buffers
        state.counters, state.extra = counters, extra

    def put(self, kept: Copy) -> None:
        """Put a copy back, in place; it stays valid."""
        self._put_extra(kept.extra)  # the only part that can refuse: before anything else changes
        with torch.no_grad():
            for optimizer, states, counters in zip(self.optimizers, kept.states, kept.counters, strict=True):
                self._put_optimizer(optimizer, kept.parameters, states, counters)
            for key, buffer in self._buffers():
                if fits(kept.buffers.get(key), buffer):
                    _write(buffer, kept.buffers[key])
        arrive([*self.parameters(), *(buffer for _, buffer in self._buffers())])

    def _put_optimizer(
        self, optimizer: Any, known: dict[Any, Kept], states: dict[Any, Any], counters: list[dict[str, Any]]
    ) -> None:
        present = getattr(optimizer, "state", {})
        mine = [p for group in optimizer.param_groups for p in group.get("params", ())]
        others = [key for key in {**present, **states} if not isinstance(key, Tensor)]
        fitting = [p for p in mine if fits(known.get(p), p)]
        for parameter in fitting:
            _write(parameter, known[parameter])
        for key in [*fitting, *others]:
            if key in states:
                like = key if isinstance(key, Tensor) else None
                present[key] = put(states[key], present.get(key), like)
            elif key in present:
                del present[key]
        for group, kept in zip(optimizer.param_groups, counters, strict=False):
            for key, value in kept.items():
                group[key] = put(value, group.get(key))

    def _put_extra(self, kept: list[Any]) -> None:
        """Into the tensors that the objects show: what they take as it comes stays where it was."""
        done: list[tuple[Any, Any]] = []
        try:
            for one, state in zip(self._extra, kept, strict=False):
                self.streams.begin()
                present = keep(one.state_dict(), None, self.streams)
                self.streams.end()
                self.streams.finish()
                done.append((one, present))
                one.load_state_dict(put(state, one.state_dict()))
        except Exception:
            for one, present in done:
                one.load_state_dict(put(present, one.state_dict()))
            raise

    def _let_steps_wait(self) -> None:
        """The next step of an optimizer writes what a copy may still be reading: it waits on the device.

        A step in a CUDA graph calls no hook when it is replayed: with ``capturable`` groups, and once a step
        was captured, the device waits at once.
        """
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        hooks = [getattr(optimizer, "register_step_pre_hook", None) for optimizer in self.optimizers]
        if self.streams.captured or any(group.get("capturable") for group in groups) or None in hooks:
            self.streams.hold()
        elif not self._hooked and any(p.is_cuda for p in self.parameters()):
            streams = weakref.ref(self.streams)

            def hold(*_: Any) -> None:
                if (found := streams()) is not None:
                    found.before_step()

            for register in hooks:
                register(hold)  # type: ignore[misc]
            self._hooked = True

    # -- in plain types --------------------------------------------------------------------------

    def encoded(self, state: Copy) -> dict[str, Any]:
        """A copy as plain types and tensors (TypeError where it holds other objects)."""
        self.streams.finish()
        parameters = self.parameters()
        places = {parameter: i for i, parameter in enumerate(parameters)}

        def keyed(states: dict[Any, Any]) -> list[Any]:
            return [
                (places[key] if isinstance(key, Tensor) else f"/{key}", encoded(value))
                for key, value in states.items()
                if not isinstance(key, Tensor) or key in places
            ]

        return {
            "call": state.call,
            "shapes": [_shape(parameter) for parameter in parameters],
            "parameters": keyed(state.parameters),
            "states": [keyed(states) for states in state.states],
            "counters": encoded(state.counters),
            "buffers": encoded(state.buffers),
            "extra": encoded(state.extra),
        }

    def decoded(self, payload: dict[str, Any]) -> Copy | None:
        """What :meth:`encoded` was given; None for one of other parameters (number or shapes)."""
        parameters = self.parameters()
        shapes = [_shape(parameter) for parameter in parameters]
        if payload["shapes"] != shapes or len(payload["states"]) != len(self.optimizers):
            return None

        def keyed(states: list[Any]) -> dict[Any, Any]:
            return {
                (key[1:] if isinstance(key, str) else parameters[key]): decoded(value)
                for key, value in states
            }

        return Copy(
            call=int(payload["call"]),
            parameters=keyed(payload["parameters"]),
            states=[keyed(states) for states in payload["states"]],
            counters=decoded(payload["counters"]),
            buffers=decoded(payload["buffers"]),
            extra=decoded(payload["extra"]),
            lent=True,
        )


def fits(kept: Kept | None, parameter: Any) -> bool:
    """Whether a tensor's copy can be written into it."""
    return kept is not None and usable(parameter) and local(parameter).shape == kept.host.shape


def _write(tensor: Tensor, kept: Kept) -> None:
    local(tensor).copy_(kept.host, non_blocking=tensor.is_cuda)


def _shape(parameter: Any) -> list[int] | None:
    return list(local(parameter).shape) if usable(parameter) else None


def _at(values: Sequence[Any] | None, place: int) -> Any:
    return values[place] if values is not None and place < len(values) else None


def _counters(group: dict[str, Any], old: dict[str, Any] | None, streams: Streams) -> dict[str, Any]:
    return {
        key: keep(value, (old or {}).get(key), streams)
        for key, value in group.items()
        if key not in HYPERPARAMETERS and isinstance(value, int | float | Tensor)
    }
