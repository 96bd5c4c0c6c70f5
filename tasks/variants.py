"""Wider, deeper and larger forms of the zoo's tasks, by name: ``variants=[base,wide]`` in data_gen."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final

from tasks.base import TaskError, short_name

VARIANTS: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {}
"""Task -> name of a variant -> the numbers that it replaces at ``scale=mini``."""


def variants(task: str) -> Mapping[str, Mapping[str, Any]]:
    """The variants of a task by name; ``base``, the scale's own numbers, is always one."""
    return {"base": {}, **VARIANTS.get(short_name(task), {})}


def settings(task: str, variant: str) -> Mapping[str, Any]:
    """The numbers of one variant; TaskError names those that the task has."""
    known = variants(task)
    if variant not in known:
        near = difflib.get_close_matches(variant, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
        raise TaskError(f"{short_name(task)} has no variant {variant!r}; {hint}")
    return known[variant]
