"""The version of a controller's saved state, and what is refused."""

from __future__ import annotations

from typing import Any, Final

VERSION: Final = 4


def check(state: Any, *, groups: int) -> None:
    """ValueError unless ``state`` is one of this version for an optimizer with so many parameter groups."""
    version = state.get("version") if isinstance(state, dict) else None
    if not isinstance(version, int) or version != VERSION:
        raise ValueError(f"got {state!r:.60}, need a state of an arc.Controller, version {VERSION}")
    saved = state.get("groups")
    if not isinstance(saved, int) or saved != groups:
        raise ValueError(
            f"got a state with {saved!r:.20} parameter groups for an optimizer with {groups}; build the "
            "optimizer with the same groups, or start with a new controller"
        )
