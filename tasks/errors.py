"""The one kind of error that a user can mend, and the remedy of a misspelt name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """What was asked for cannot be done; the message shows the value and the remedy.

    The command line prints the message as one line, without a traceback, and exits with 2.
    """


class TaskError(InputError):
    """A task, its data or its settings cannot be used as asked; the message says what would do."""


def near_misses(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """What a message says after a name that is not known: up to three like it, or else all there are.

    Args:
        name: what was asked for.
        known: what there is.
        cutoff: how like it one has to be, 0 to 1.

    Example:
        >>> near_misses("adm", ["adam", "sgd"]), near_misses("lion", ["adam", "sgd"])
        ('did you mean adam?', 'known: adam, sgd')
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=cutoff)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
