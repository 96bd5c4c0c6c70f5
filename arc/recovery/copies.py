"""Named copies of a run's state to go back to, in host memory or in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from arc.optimizers.lrs import listed
from arc.recovery.files import Folder, rank, read
from arc.recovery.run_state import Copy, RunState, fits

MOST: Final = 2
"""Copies beside the run's own state."""


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
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.ones(2))
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
        self._run = RunState(listed(optimizers), model, extra_state)
        self._folder = None if folder is None else Folder(folder)
        self._most = most
        self._named: dict[str, Copy] = {}
        self._spare: list[Copy] = []
        self._files: dict[str, str] = {}
        self._calls: dict[str, int] = {}

    @property
    def buffers(self) -> bool:
        """Whether buffers are among what is copied: there is a model."""
        return self._run.has_model

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
            self._run.fill(state, call)
            self._named[name] = state
        else:
            state = self._spare.pop() if self._spare else Copy()
            self._run.fill(state, call)
            self._refer(name, self._folder.write(name, call, self._run.encoded(state)))
            self._spare = [state]
        self._calls[name] = call

    def restore(self, name: str) -> int:
        """Put a copy back, in place; it stays valid. The call that it was taken in.

        Raises:
            KeyError: no such copy.
        """
        state = self._state(name)
        self._run.put(state)
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
            found = self._run.encoded(self._state(name))
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
        for i, parameter in enumerate(self._run.parameters()):
            if fits(known.get(parameter), parameter):
                yield str(i), parameter, known[parameter].host

    def hold(self) -> None:
        """Let the devices wait until copies under way are complete; the host goes on."""
        self._run.streams.hold()

    def finish(self) -> None:
        """Wait until copies under way are complete."""
        self._run.streams.finish()

    # -- saving and loading --------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Plain types and tensors; with ``folder`` the names of the files, which stay where they are.

        The tensors are the copies themselves: those are not written to any more.

        Raises:
            TypeError: a state that holds other objects.
        """
        self._run.streams.finish()
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
            "states": [self._run.encoded(state) for state in distinct],
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
        sharded = any(hasattr(parameter, "to_local") for parameter in self._run.parameters())
        if sharded and state.get("rank") != rank():
            return
        found: dict[str, Copy] = {}
        if "files" in state:
            folder = Path(state["folder"]) if self._folder is None else self._folder.path
            for name, file in state["files"].items():
                if (payload := read(folder / file)) is None or (one := self._run.decoded(payload)) is None:
                    continue
                if self._folder is None:
                    found[name] = one
                else:
                    self._files[name], self._calls[name] = file, one.call
        elif "states" in state:
            states = [self._run.decoded(payload) for payload in state["states"]]
            found = {n: s for n, i in state["names"].items() if (s := states[i]) is not None}
        for name, one in found.items():
            self._calls[name] = one.call
            if self._folder is None:
                self._named[name] = one
            else:
                self._files[name] = self._folder.write(name, one.call, self._run.encoded(one))

    # -- where copies are ----------------------------------------------------------------------

    def _state(self, name: str) -> Copy:
        self._run.streams.finish()
        if self._folder is None:
            return self._named[name]
        payload = read(self._folder.path / self._files[name])
        state = None if payload is None else self._run.decoded(payload)
        if state is None:
            raise KeyError(
                f"the file of the copy {name!r} is gone or of other parameters: {self._files[name]}"
            )
        return state

    def _room(self, name: str) -> Copy:
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
        return Copy()

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
