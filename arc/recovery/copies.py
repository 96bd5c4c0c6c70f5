"""Named copies of a run's state to go back to, in host memory or in files."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from arc.optimizers.lrs import listed
from arc.optimizers.schedulers import LR_KEYS
from arc.recovery.files import Folder, rank, read
from arc.recovery.tensors import Kept, Streams, arrive, decoded, encoded, keep, local, put, usable

HYPERPARAMETERS: Final = frozenset(LR_KEYS) | {
    name
    for found in vars(torch.optim).values()
    if isinstance(found, type) and issubclass(found, torch.optim.Optimizer)
    for name in inspect.signature(found).parameters
    if name != "d"  # a constant of Adafactor, but what Prodigy estimates
}
"""Entries of a parameter group that are the user's, never taken back: the arguments of torch's optimizers.
Numbers by other names are counters that an optimizer keeps there (Prodigy's ``d``, Schedule-Free's ``k``)."""

MOST: Final = 2
"""Copies beside the run's own state."""


@dataclass
class _State:
    """One copy; parameters are known by identity, buffers by name, the rest by position."""

    call: int = 0
    parameters: dict[Any, Kept] = field(default_factory=dict)
    states: list[dict[Any, Any]] = field(default_factory=list)  # per optimizer: parameter or key -> state
    counters: list[list[dict[str, Any]]] = field(default_factory=list)  # per optimizer and group
    buffers: dict[str, Kept] = field(default_factory=dict)
    extra: list[Any] = field(default_factory=list)
    lent: bool = False  # its tensors are in a state_dict: not to be overwritten


class Copies:
    """Named copies of parameters, optimizer state, buffers and further objects.

    What is copied: the parameters in the optimizers' groups, the optimizers' state, with ``model`` its
    buffers, and the ``state_dict()`` of every object in ``extra_state``. Hyperparameters of the groups (LR,
    betas, weight decay) are the user's and are not.

    A restore writes into the tensors that are there, so that compiled steps and CUDA graphs go on with
    them. It takes a parameter back together with its optimizer state, or neither: what the copy does not
    know (a parameter or group added since, a lazy one that had no shape yet, one of another shape now) and
    what is no longer the optimizer's stays as it is. State that a parameter did not have then is dropped.

    Copies from a CUDA device run on a side stream into pinned memory; the optimizers' next step waits for
    them. Who writes parameters otherwise before that step calls :meth:`hold` first. Memory of a copy is
    used again by the next one.

    Args:
        optimizers: one torch optimizer or several.
        model: its buffers are copied too.
        extra_state: objects with ``state_dict()`` and ``load_state_dict()``: a GradScaler, an EMA.
        folder: the copies go into files there in place of memory.
        most: different copies at one time.

    Raises:
        TypeError: no optimizer; an object without the two methods.

    Example:
        >>> weight = nn.Parameter(torch.ones(2))
        >>> copies = Copies(torch.optim.SGD([weight], lr=0.1))
        >>> copies.take("good", call=7)
        >>> with torch.no_grad():
        ...     _ = weight.fill_(9.0)
        >>> copies.restore("good")
        7
        >>> weight.tolist()
        [1.0, 1.0]
    """

    def __init__(
        self,
        optimizers: Any,
        model: nn.Module | None = None,
        *,
        extra_state: Sequence[Any] = (),
        folder: str | Path | None = None,
        most: int = MOST,
    ) -> None:
        self._optimizers = listed(optimizers)
        self._model = model
        self._extra = list(extra_state)
        for one in self._extra:
            if not (hasattr(one, "state_dict") and hasattr(one, "load_state_dict")):
                raise TypeError(
                    f"got {one!r:.60} in extra_state, need objects with state_dict() and load_state_dict()"
                )
        self._folder = None if folder is None else Folder(folder)
        self._most = most
        self._named: dict[str, _State] = {}
        self._spare: list[_State] = []
        self._files: dict[str, str] = {}
        self._calls: dict[str, int] = {}
        self._streams = Streams()
        self._hooked = False

    @property
    def names(self) -> tuple[str, ...]:
        """The copies that there are."""
        return tuple(self._calls)

    def call(self, name: str) -> int:
        """The call that a copy was taken in (KeyError without such a copy)."""
        return self._calls[name]

    def take(self, name: str, *, call: int = 0) -> None:
        """Copy the present state under ``name``, in place of an older copy of that name.

        Raises:
            RuntimeError: one copy more than ``most``.
            TypeError: a state that no file can hold (only with ``folder``).
        """
        if self._folder is None:
            state = self._room(name)
            self._fill(state, call)
            self._named[name] = state
        else:
            state = self._spare.pop() if self._spare else _State()
            self._fill(state, call)
            self._refer(name, self._folder.write(name, call, self._encoded(state)))
            self._spare = [state]
        self._calls[name] = call

    def restore(self, name: str) -> int:
        """Put a copy back, in place; it stays valid. The call that it was taken in.

        Raises:
            KeyError: no such copy.
        """
        state = self._state(name)
        self._put_extra(state.extra)  # the only part that can refuse: before anything else changes
        with torch.no_grad():
            for optimizer, states, counters in zip(
                self._optimizers, state.states, state.counters, strict=True
            ):
                self._put_optimizer(optimizer, state.parameters, states, counters)
            for key, buffer in self._buffers():
                if self._fits(state.buffers.get(key), buffer):
                    self._write(buffer, state.buffers[key])
        arrive([*self._parameters(), *(buffer for _, buffer in self._buffers())])
        return state.call

    def keep_as(self, name: str, other: str) -> None:
        """Keep the copy ``name`` under a second name, whatever ``name`` becomes; in memory both are one copy.

        Raises:
            KeyError: no such copy.
        """
        if self._folder is None:
            kept = self._named[name]
            if self._named.get(other) is not kept:
                self._release(other)
            self._named[other] = kept
        else:  # the file of one name may go, so the other gets its own
            found = self._encoded(self._state(name))
            self._refer(other, self._folder.write(other, self._calls[name], found))
        self._calls[other] = self._calls[name]

    def drop(self, name: str) -> None:
        """Forget a copy; nothing happens if there is none."""
        self._calls.pop(name, None)
        self._release(name)
        if self._folder is not None and name in self._files:
            self._folder.delete(self._files.pop(name))

    def pairs(self, name: str) -> Iterator[tuple[str, Tensor, Tensor]]:
        """``(key, parameter, its copy on the CPU)`` of every parameter that the copy knows and that fits.

        The key is the parameter's place in the optimizers. Of a sharded one the copy is this rank's shard,
        as :func:`arc.recovery.tensors.local` gives it.
        """
        known = self._state(name).parameters
        for i, parameter in enumerate(self._parameters()):
            if self._fits(known.get(parameter), parameter):
                yield str(i), parameter, known[parameter].host

    def hold(self) -> None:
        """Let the devices wait until copies under way are complete; the host goes on."""
        self._streams.hold()

    def finish(self) -> None:
        """Wait until copies under way are complete."""
        self._streams.finish()

    # -- saving and loading --------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Plain types and tensors; with ``folder`` the names of the files, which stay where they are.

        The tensors are the copies themselves: those are not written to any more.

        Raises:
            TypeError: a state that holds other objects.
        """
        self._streams.finish()
        if self._folder is not None:
            self._folder.pin(set(self._files.values()))
            return {
                "rank": rank(),
                "folder": str(self._folder.path),
                "files": dict(self._files),
            }
        distinct = list({id(state): state for state in self._named.values()}.values())
        for state in distinct:
            state.lent = True
        places = {id(state): i for i, state in enumerate(distinct)}
        return {
            "rank": rank(),
            "states": [self._encoded(state) for state in distinct],
            "names": {name: places[id(state)] for name, state in self._named.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`: afterwards there are the copies that were there then, and no others.

        Where memory was kept and files are asked for, or the other way round, the copies are carried over
        (with files, those that still exist). A state without copies leaves none, one of other parameters
        (number or shapes) and another rank's of sharded parameters too: the next :meth:`take` begins anew.
        """
        for name in self.names:
            self.drop(name)
        sharded = any(hasattr(parameter, "to_local") for parameter in self._parameters())
        if sharded and state.get("rank") != rank():
            return
        found: dict[str, _State] = {}
        if "files" in state:
            folder = Path(state["folder"]) if self._folder is None else self._folder.path
            for name, file in state["files"].items():
                if (payload := read(folder / file)) is None or (one := self._decoded(payload)) is None:
                    continue
                if self._folder is None:
                    found[name] = one
                else:
                    self._files[name], self._calls[name] = file, one.call
        elif "states" in state:
            states = [self._decoded(payload) for payload in state["states"]]
            found = {n: s for n, i in state["names"].items() if (s := states[i]) is not None}
        for name, one in found.items():
            self._calls[name] = one.call
            if self._folder is None:
                self._named[name] = one
            else:
                self._files[name] = self._folder.write(name, one.call, self._encoded(one))

    def _encoded(self, state: _State) -> dict[str, Any]:
        self._streams.finish()
        parameters = self._parameters()
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

    def _decoded(self, payload: dict[str, Any]) -> _State | None:
        parameters = self._parameters()
        shapes = [_shape(parameter) for parameter in parameters]
        if payload["shapes"] != shapes or len(payload["states"]) != len(self._optimizers):
            return None

        def keyed(states: list[Any]) -> dict[Any, Any]:
            return {
                (key[1:] if isinstance(key, str) else parameters[key]): decoded(value)
                for key, value in states
            }

        return _State(
            call=int(payload["call"]),
            parameters=keyed(payload["parameters"]),
            states=[keyed(states) for states in payload["states"]],
            counters=decoded(payload["counters"]),
            buffers=decoded(payload["buffers"]),
            extra=decoded(payload["extra"]),
            lent=True,
        )

    # -- one copy ------------------------------------------------------------------------------

    def _fill(self, state: _State, call: int) -> None:
        old, streams = state, self._streams
        streams.begin()
        with torch.no_grad():
            buffers = {  # the next forward pass writes them, before any step that waits for the copies
                key: keep(b, old.buffers.get(key), streams, b.device, at_once=True)
                for key, b in self._buffers()
            }
            parameters = {
                p: keep(p, old.parameters.get(p), streams, p.device) for p in self._parameters() if usable(p)
            }
            states: list[dict[Any, Any]] = []
            for i, optimizer in enumerate(self._optimizers):
                before = _at(old.states, i) or {}
                states.append(
                    {
                        key: keep(value, before.get(key), streams, getattr(key, "device", None))
                        for key, value in getattr(optimizer, "state", {}).items()
                    }
                )
            counters = [
                [_counters(group, _at(_at(old.counters, i), j), streams) for j, group in enumerate(groups)]
                for i, groups in enumerate(optimizer.param_groups for optimizer in self._optimizers)
            ]
            extra = [keep(one.state_dict(), _at(old.extra, i), streams) for i, one in enumerate(self._extra)]
        streams.end()
        self._let_steps_wait()
        state.call, state.parameters, state.states, state.buffers = call, parameters, states, buffers
        state.counters, state.extra = counters, extra

    def _put_optimizer(
        self, optimizer: Any, known: dict[Any, Kept], states: dict[Any, Any], counters: list[dict[str, Any]]
    ) -> None:
        present = getattr(optimizer, "state", {})
        mine = [p for group in optimizer.param_groups for p in group.get("params", ())]
        others = [key for key in {**present, **states} if not isinstance(key, Tensor)]
        fitting = [p for p in mine if self._fits(known.get(p), p)]
        for parameter in fitting:
            self._write(parameter, known[parameter])
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
                self._streams.begin()
                present = keep(one.state_dict(), None, self._streams)
                self._streams.end()
                self._streams.finish()
                done.append((one, present))
                one.load_state_dict(put(state, one.state_dict()))
        except Exception:
            for one, present in done:
                one.load_state_dict(put(present, one.state_dict()))
            raise

    # -- where copies are ----------------------------------------------------------------------

    def _state(self, name: str) -> _State:
        self._streams.finish()
        if self._folder is None:
            return self._named[name]
        payload = read(self._folder.path / self._files[name])
        state = None if payload is None else self._decoded(payload)
        if state is None:
            raise KeyError(
                f"the file of the copy {name!r} is gone or of other parameters: {self._files[name]}"
            )
        return state

    def _room(self, name: str) -> _State:
        """Memory for a new copy: the old one's of that name, a spare one's, or new."""
        self._release(name)
        self._calls.pop(name, None)
        if self._spare:
            return self._spare.pop()
        if len({id(state) for state in self._named.values()}) >= self._most:
            raise RuntimeError(
                f"got a copy {name!r} beside {sorted(self._named)}, there are at most {self._most}: "
                "drop one first"
            )
        return _State()

    def _release(self, name: str) -> None:
        state = self._named.pop(name, None)
        if state is None or state.lent or any(state is other for other in self._named.values()):
            return
        self._spare.append(state)

    def _refer(self, name: str, file: str) -> None:
        assert self._folder is not None
        before = self._files.get(name)
        self._files[name] = file
        if before is not None and before != file:
            self._folder.delete(before)

    def _parameters(self) -> list[Any]:
        groups = [group for optimizer in self._optimizers for group in optimizer.param_groups]
        return list(dict.fromkeys(p for group in groups for p in group.get("params", ())))

    def _buffers(self) -> list[tuple[str, Tensor]]:
        named = () if self._model is None else self._model.named_buffers()
        return [(key, buffer) for key, buffer in named if usable(buffer)]

    @staticmethod
    def _write(tensor: Tensor, kept: Kept) -> None:
        local(tensor).copy_(kept.host, non_blocking=tensor.is_cuda)

    @staticmethod
    def _fits(kept: Kept | None, parameter: Any) -> bool:
        return kept is not None and usable(parameter) and local(parameter).shape == kept.host.shape

    def _let_steps_wait(self) -> None:
        """The next step of an optimizer writes what a copy may still be reading: it waits on the device.

        A step in a CUDA graph calls no hook when it is replayed: with ``capturable`` groups, and once a step
        was captured, the device waits at once.
        """
        groups = [group for optimizer in self._optimizers for group in optimizer.param_groups]
        hooks = [getattr(optimizer, "register_step_pre_hook", None) for optimizer in self._optimizers]
        if self._streams.captured or any(group.get("capturable") for group in groups) or None in hooks:
            self._streams.hold()
        elif not self._hooked and any(p.is_cuda for p in self._parameters()):
            streams = weakref.ref(self._streams)

            def hold(*_: Any) -> None:
                if (found := streams()) is not None:
                    found.before_step()

            for register in hooks:
                register(hold)  # type: ignore[misc]
            self._hooked = True


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
