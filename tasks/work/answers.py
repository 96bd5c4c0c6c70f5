"""What may come back of a unit of work: rows made, or one of several reasons why not."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from tasks.errors import InputError

RETRIES = 2
LATE = "it took longer than its time-out"


class Refusal(str):
    """The message of an InputError: the unit failed, the worker is as good as new."""


class Death(str):
    """How the worker died: of its surroundings, perhaps, and not of the unit."""


class Left(str):
    """The unit was told to stop: what it has saved is gone on from by the next call."""


class Held(str):
    """The mark of whoever else is making the unit (:mod:`tasks.work.claims`)."""


Answer = int | str
"""Rows made, or why the unit failed."""


class Stopped(BaseException):
    """Raised in a unit by its ``tick``: save what there is, and pass it on."""


class Taken(Exception):
    """Somebody else is making the unit; ``mark`` is theirs at the moment."""

    def __init__(self, mark: str) -> None:
        super().__init__(mark)
        self.mark = mark


def reason(error: Exception) -> str:
    """Why a unit failed, in one line."""
    if isinstance(error, InputError):
        return Refusal(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"


def worth_a_try(reasons: Sequence[str]) -> bool:
    """Whether a unit that failed so often, for these reasons, is to be tried again.

    At most :data:`RETRIES` times; after a second time-out not, nor after the same error twice in a row. A
    worker's death may come of its surroundings: it counts like any other reason, but not as the same error.
    """
    last = reasons[-1]
    if len(reasons) > RETRIES or reasons.count(LATE) > 1:
        return False
    return isinstance(last, Death) or last == LATE or last not in reasons[:-1]
