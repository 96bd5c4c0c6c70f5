"""Named copies in host memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arc.recovery.snapshot import Copy

if TYPE_CHECKING:
    from arc.recovery.run_state import RunState


class Memory:
    """Copies by name; the next one of a name uses the memory of the last, and what is dropped is freed.

    Args:
        run: what is copied.
        most: different copies at one time.
    """

    def __init__(self, run: RunState, most: int) -> None:
        self._run = run
        self._most = most
        self._named: dict[str, Copy] = {}

    @property
    def calls(self) -> dict[str, int]:
        """The copies that there are, and the call that each was taken in."""
        return {name: state.call for name, state in self._named.items()}

    def take(self, name: str, call: int) -> None:
        """Copy the present state (RuntimeError: one copy more than ``most``)."""
        state = self._named.pop(name, None)  # while it is written it is none
        if state is None and len(self._named) >= self._most:
            raise RuntimeError(
                f"got a copy {name!r} beside {sorted(self._named)}, there are at most {self._most}: "
                "drop one first"
            )
        if state is None or state.lent:
            state = Copy()
        self._run.fill(state, call)
        self._named[name] = state

    def get(self, name: str) -> Copy:
        """A copy that is complete (KeyError)."""
        self._run.streams.finish()
        return self._named[name]

    def put(self, name: str, state: Copy) -> None:
        """Keep a copy under a name, in place of another one."""
        self._named[name] = state

    def drop(self, name: str) -> None:
        """Forget a copy; nothing happens if there is none."""
        self._named.pop(name, None)

    def state_dict(self) -> dict[str, Any]:
        """The copies in plain types and tensors: those themselves, which are not written to any more."""
        for state in self._named.values():
            state.lent = True
        return {
            "states": [self._run.encoded(state) for state in self._named.values()],
            "names": {name: place for place, name in enumerate(self._named)},
        }
