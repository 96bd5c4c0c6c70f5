"""The version of a controller's saved state, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

VERSION: Final = 5


def check(state: Any, *, groups: Sequence[int]) -> None:
    """ValueError unless ``state`` is of this version, and of optimizers with so many groups each."""
    version = state.get("version") if isinstance(state, dict) else None
    if not isinstance(version, int) or version != VERSION:
        raise ValueError(f"got {state!r:.60}, need a state of an arc.Controller, version {VERSION}")
    found = state.get("groups")
    saved = found if isinstance(found, list) else [found]  # a number: from before there could be several
    if not all(isinstance(count, int) for count in saved) or saved != list(groups):
        raise ValueError(
            f"got a state with {_sum(saved)} parameter groups for an optimizer with {_sum(groups)}; build "
            "the optimizers with the same groups and in the same order, or start with a new controller"
        )


def _sum(groups: Sequence[Any]) -> str:
    """Of several optimizers: ``1 + 2``."""
    return " + ".join(f"{count!r:.20}" for count in groups)
