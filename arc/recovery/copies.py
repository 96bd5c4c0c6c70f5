"""Named copies of a run's state to go back to, in host memory or in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from arc.optimizers.learning_rates import listed
from arc.recovery.files import Files, read
from arc.recovery.memory import Memory
from arc.recovery.run_state import RunState
from arc.recovery.snapshot import fits
from arc.tensors import rank

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
    used again by the next one of its name, and free once it is dropped.

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
        self._kept: Memory | Files = Memory(self._run, most) if folder is None else Files(self._run, folder)

    @property
    def names(self) -> tuple[str, ...]:
        """The copies that there are."""
        return tuple(self._kept.calls)

    def call(self, name: str) -> int:
        """The call that a copy was taken in (KeyError without such a copy)."""
        return self._kept.calls[name]

    def take(self, name: str, *, call: int = 0) -> None:
        """Copy the present state under ``name``, in place of an older copy of that name.

        Raises:
            RuntimeError: one copy more than ``most``.
            TypeError: a state that no file can hold (only with ``folder``).
        """
        self._kept.take(name, call)

    def restore(self, name: str) -> int:
        """Put a copy back, in place; it stays valid. The call that it was taken in.

        Raises:
            KeyError: no such copy.
        """
        state = self._kept.get(name)
        self._run.put(state)
        return state.call

    def drop(self, name: str) -> None:
        """Forget a copy; nothing happens if there is none."""
        self._kept.drop(name)

    def pairs(self, name: str) -> Iterator[tuple[str, Tensor, Tensor]]:
        """``(key, parameter, its copy on the CPU)`` of every parameter that the copy knows and that fits.

        The key is the parameter's place in the optimizers. Of a sharded one the copy is this rank's shard,
        as :func:`arc.tensors.local` gives it.
        """
        known = self._kept.get(name).parameters
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
        return {"rank": rank()} | self._kept.state_dict()

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
        if "files" in state and isinstance(self._kept, Files):
            self._kept.take_over(state["files"])
        elif "files" in state:
            for name, file in state["files"].items():
                payload = read(Path(state["folder"]) / file)
                if payload is not None and (one := self._run.decoded(payload)) is not None:
                    self._kept.put(name, one)
        elif "states" in state:
            states = [self._run.decoded(payload) for payload in state["states"]]
            for name, place in state["names"].items():
                if (one := states[place]) is not None:
                    self._kept.put(name, one)
