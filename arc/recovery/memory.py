"""Named copies in host memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arc.recovery.snapshot import Copy

if TYPE_CHECKING:
    from arc.recovery.run_state import RunState


class Memory:
    """Copies by name, of which two may be one; memory of one that went is used again by the next.

    Args:
        run: what is copied.
        most: different copies at one time.
    """

    def __init__(self, run: RunState, most: int) -> None:
        self._run = run
        self._most = most
        self._named: dict[str, Copy] = {}
        self._spare: list[Copy] = []

    @property
    def calls(self) -> dict[str, int]:
        """The copies that there are, and the call that each was taken in."""
        return {name: state.call for name, state in self._named.items()}

    def take(self, name: str, call: int) -> None:
        """Copy the present state (RuntimeError: one copy more than ``most``)."""
        self.drop(name)
        state = self._room(name)
        self._run.fill(state, call)
        self._named[name] = state

    def get(self, name: str) -> Copy:
        """A copy that is complete (KeyError)."""
        self._run.streams.finish()
        return self._named[name]

    def put(self, name: str, state: Copy) -> None:
        """Keep a copy under a name, in place of another one."""
        if self._named.get(name) is not state:
            self.drop(name)
        self._named[name] = state

    def drop(self, name: str) -> None:
        """Forget a copy; nothing happens if there is none."""
        state = self._named.pop(name, None)
        if state is None or state.lent or any(state is other for other in self._named.values()):
            return
        self._spare.append(state)

    def _room(self, name: str) -> Copy:
        """Memory for a new copy: a spare one's, or new."""
        if self._spare:
            return self._spare.pop()
        if len({id(state) for state in self._named.values()}) >= self._most:
            raise RuntimeError(
                f"got a copy {name!r} beside {sorted(self._named)}, there are at most {self._most}: "
                "drop one first"
            )
        return Copy()

    def state_dict(self) -> dict[str, Any]:
        """Each copy once, in plain types and tensors: those themselves, which are not written to any more."""
        distinct = list({id(state): state for state in self._named.values()}.values())
        for state in distinct:
            state.lent = True
        places = {id(state): i for i, state in enumerate(distinct)}
        return {
            "states": [self._run.encoded(state) for state in distinct],
            "names": {name: places[id(state)] for name, state in self._named.items()},
        }
