"""A claim on a file that is to be made, so that programs with the same request share the work.

A claim is a small file beside the part, which its holder renews while it works. Where the filesystem
creates a file for one caller only (local and network disks), that decides; in an object store each caller
writes a file of its own and holds the claim where it then sees no other.

A claim is over when its file is gone; at once where its process is, on the same machine; and otherwise when
nothing has changed in it for :data:`LEASE` seconds by the clock of whoever watches: clocks of different
machines are never compared. If a holder was only asleep, a part is made twice, with the same rows.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tasks.errors import InputError
from tasks.work import claim_files, places
from tasks.work.answers import Taken
from tasks.work.processes import Tick, Unit

LEASE = 120.0
"""Seconds without a sign of life after which a claim of another machine is over."""
RENEW = 30.0
"""Seconds between signs of life: three may be missed. In an object store each is a request that costs."""
LOOK = 5.0
"""Seconds between looks at somebody else's claim."""


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A unit that is run under a claim on the file that it makes.

    Attributes:
        unit: the work.
        path: its file or directory, a path or a URI.
        dead: the mark of a holder that has shown no sign of life for too long.
    """

    unit: Unit
    path: str
    dead: str | None = None

    @property
    def name(self) -> str:
        """The unit's."""
        return self.unit.name

    @property
    def ticks(self) -> int:
        """The unit's."""
        return self.unit.ticks

    def run(self, tick: Tick) -> int:
        """Run it, unless its file is there by now: then no rows are made. Taken where somebody else does."""
        if places.is_there(self.path):
            return 0
        with held(self.path, dead=self.dead):
            return 0 if places.is_there(self.path) else self.unit.run(tick)


def claimed(unit: Unit) -> Unit:
    """The unit under a claim, where it says which file it makes."""
    path = getattr(unit, "path", None)
    return Claimed(unit=unit, path=path) if isinstance(path, str) else unit


@contextlib.contextmanager
def held(path: str, *, dead: str | None = None) -> Iterator[None]:
    """Hold the claim on ``path`` for the block.

    Args:
        path: the file that is to be made.
        dead: a mark, from an earlier :class:`~tasks.work.answers.Taken`, that does not count any more.

    Raises:
        Taken: somebody else holds it.
        InputError: the place cannot be written to.
    """
    claim = claim_files.of(path)
    try:
        claim.take(dead)
    except OSError as error:
        raise InputError(f"cannot write beside {path}: {error}; choose another out=") from error
    over = threading.Event()
    renewing = threading.Thread(target=_renew, args=(claim.renew, over), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        over.set()
        renewing.join()
        with contextlib.suppress(OSError):
            claim.release()


@contextlib.contextmanager
def waiting(path: str) -> Iterator[None]:
    """Hold the claim on ``path`` for the block, once it is free: for short work on a file that many write."""
    mark, since = "", time.monotonic()
    while True:
        silent = time.monotonic() - since >= LEASE
        try:
            with contextlib.ExitStack() as stack:
                stack.enter_context(held(path, dead=mark if silent else None))
                break_ = stack.pop_all()
        except Taken as other:
            if other.mark != mark:
                mark, since = other.mark, time.monotonic()
            time.sleep(claim_files.SETTLE)
            continue
        with break_:
            yield
        return


def owner(mark: str) -> str:
    """Who holds a claim, in words."""
    try:
        holder = json.loads(mark.splitlines()[0])
        return f"process {holder['pid']} on {holder['host']}"
    except (ValueError, IndexError, KeyError, TypeError):
        return "another program"


def _renew(renew: Callable[[], bool], over: threading.Event) -> None:
    while not over.wait(RENEW):
        with contextlib.suppress(OSError, InputError):  # the next sign of life may come through
            if not renew():
                return
