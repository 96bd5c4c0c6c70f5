"""The state of a run: copied whole, and put back in place."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from arc.optimizers.schedulers import LR_KEYS
from arc.recovery.nested import Kept, keep, put, usable
from arc.recovery.snapshot import Copy, fits, write
from arc.recovery.streams import Streams, arrive

HYPERPARAMETERS: Final = frozenset(LR_KEYS) | {
    name
    for found in vars(torch.optim).values()
    if isinstance(found, type) and issubclass(found, torch.optim.Optimizer)
    for name in inspect.signature(found).parameters
    if name != "d"  # a constant of Adafactor, but what Prodigy estimates
}
"""Entries of a parameter group that are the user's, never taken back: the arguments of torch's optimizers.
Numbers by other names are counters that an optimizer keeps there (Prodigy's ``d``, Schedule-Free's ``k``)."""


class RunState:
    """What of a run is copied: parameters, optimizer state, buffers, further objects.

    Args:
        optimizers: whose parameters and state; of their groups the counters, not the hyperparameters. Those
            that they hold come along (:func:`with_inner`).
        model: its buffers.
        extra: objects with ``state_dict()`` and ``load_state_dict()``.

    Attributes:
        streams: what carries the copies from a CUDA device.

    Raises:
        TypeError: an object in ``extra`` without the two methods.
    """

    def __init__(self, optimizers: list[Any], model: nn.Module | None, extra: Sequence[Any]) -> None:
        self.optimizers = with_inner(optimizers)
        self.streams = Streams()
        self._model = model
        self._extra = list(extra)
        for one in self._extra:
            if not (hasattr(one, "state_dict") and hasattr(one, "load_state_dict")):
                raise TypeError(
                    f"got {one!r:.60} in extra_state, need objects with state_dict() and load_state_dict()"
                )

    def parameters(self) -> list[Any]:
        """Each parameter of the optimizers once, in their order."""
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        return list(dict.fromkeys(p for group in groups for p in group.get("params", ())))

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
        streams.wait_before_steps(self.optimizers)
        state.call, state.parameters, state.states, state.buffers = call, parameters, states, buffers
        state.counters, state.extra = counters, extra

    def put(self, kept: Copy) -> None:
        """Put a copy back, in place; it stays valid."""
        self._put_extra(kept.extra)  # the only part that can refuse: before anything else changes
        modes = [_trains(optimizer) for optimizer in self.optimizers]
        with torch.no_grad():
            for optimizer, states, counters in zip(self.optimizers, kept.states, kept.counters, strict=True):
                self._put_optimizer(optimizer, kept.parameters, states, counters)
            for key, buffer in self._buffers():
                if fits(kept.buffers.get(key), buffer):
                    write(buffer, kept.buffers[key])
        for optimizer, trains in zip(self.optimizers, modes, strict=True):
            if trains is not None and trains != _trains(optimizer):
                (optimizer.train if trains else optimizer.eval)()
        arrive([*self.parameters(), *(buffer for _, buffer in self._buffers())])

    def _put_optimizer(
        self, optimizer: Any, known: dict[Any, Kept], states: dict[Any, Any], counters: list[dict[str, Any]]
    ) -> None:
        present = getattr(optimizer, "state", {})
        mine = [p for group in optimizer.param_groups for p in group.get("params", ())]
        others = [key for key in {**present, **states} if not isinstance(key, Tensor)]
        fitting = [p for p in mine if fits(known.get(p), p)]
        for parameter in fitting:
            write(parameter, known[parameter])
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

    # -- in plain types --------------------------------------------------------------------------

    def encoded(self, state: Copy) -> dict[str, Any]:
        """A copy as plain types and tensors (TypeError where it holds other objects)."""
        self.streams.finish()
        return state.encoded(self.parameters())

    def decoded(self, payload: dict[str, Any]) -> Copy | None:
        """What :meth:`encoded` was given; None for one of other parameters (number or shapes)."""
        return Copy.decoded(payload, self.parameters(), len(self.optimizers))


def with_inner(optimizers: Iterable[Any]) -> list[Any]:
    """The optimizers, each followed by those that it holds: SAM's and Lookahead's base, a rank's of ZeRO.

    They keep states of their own for the same parameters. One whose state is the outer one's is left out.
    """
    found: list[Any] = []
    waiting = list(optimizers)
    while waiting:
        one = waiting.pop(0)
        state = getattr(one, "state", one)
        if any(one is other or state is getattr(other, "state", None) for other in found):
            continue
        found.append(one)
        held = getattr(one, "__dict__", {}).values()
        waiting[:0] = [value for value in held if isinstance(value, torch.optim.Optimizer)]
    return found


def _trains(optimizer: Any) -> bool | None:
    """Whether a Schedule-Free optimizer's weights are those that it trains; None of any other.

    A copy may come from its other mode, in which it refuses to step.
    """
    modes = [group["train_mode"] for group in optimizer.param_groups if "train_mode" in group]
    return bool(modes[0]) if modes and hasattr(optimizer, "train") else None


def _at(values: Sequence[Any] | None, place: int) -> Any:
    return values[place] if values is not None and place < len(values) else None


def _counters(group: dict[str, Any], old: dict[str, Any] | None, streams: Streams) -> dict[str, Any]:
    return {
        key: keep(value, (old or {}).get(key), streams)
        for key, value in group.items()
        if key not in HYPERPARAMETERS and isinstance(value, int | float | Tensor)
    }
