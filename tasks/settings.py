"""A task's numbers, some of them replaced from the command line: ``settings={classes: 12}``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from tasks.errors import InputError, near_misses

NONE = "{}"
"""No number replaced."""

T = TypeVar("T")


def encoded(given: Any) -> str:
    """The key ``settings`` as JSON: equal mappings give equal texts, which hash, pickle and print."""
    if not isinstance(given or {}, Mapping):
        raise InputError(f"got settings={given!r}, need {{name: value}} such as {{batch_size: 8}}")
    return json.dumps(dict(given or {}), sort_keys=True)


def replaced(task: T, settings: str) -> T:
    """A copy of a dataclass with the values of ``settings`` (:func:`encoded`) in their fields.

    A list stands for a tuple; a mapping replaces fields of a dataclass, or entries of a mapping, that
    lies in a field. InputError names a field that is not there, and a value of another kind.
    """
    given = json.loads(settings)
    return _like(task, given, type(task).__name__) if given else task


def _like(old: Any, new: Any, where: str) -> Any:
    """``new`` as a value in the place of ``old``."""
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return {**old, **_inner(old, new, where)}
    if isinstance(new, Mapping) and is_dataclass(old) and not isinstance(old, type):
        known = {field.name: getattr(old, field.name) for field in fields(old)}
        return replace(old, **_inner(known, new, where))
    if isinstance(new, list):
        new = tuple(new)
    if isinstance(old, float) and type(new) is int:
        new = float(new)
    if old is None or new is None or type(new) is type(old):
        return new
    raise InputError(f"got {new!r} for {where}, need a value like {old!r}")


def _inner(known: Mapping[str, Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    for name in given:
        if name not in known:
            raise InputError(f"{where} has no setting {name!r}; {near_misses(name, known)}")
    return {name: _like(known[name], value, f"{where}.{name}") for name, value in given.items()}
