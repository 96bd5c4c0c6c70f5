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
import functools
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pyarrow import fs

from tasks.errors import InputError
from tasks.work import places
from tasks.work.answers import Taken
from tasks.work.processes import Tick, Unit

LEASE = 120.0
"""Seconds without a sign of life after which a claim of another machine is over."""
RENEW = 30.0
"""Seconds between signs of life: three may be missed. In an object store each is a request that costs."""
LOOK = 5.0
"""Seconds between looks at somebody else's claim."""
SETTLE, LOOKS = 0.3, 3
"""Of callers that claim at once in an object store, the first by name looks so often, so far apart (s), for
the others to withdraw."""


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A unit that is run under a claim on the file that it makes.

    Attributes:
        unit: the work.
        path: its file, a path or a URI.
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
        if places.exists(self.path):
            return 0
        with held(self.path, dead=self.dead):
            return 0 if places.exists(self.path) else self.unit.run(tick)


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
    me = _Me()
    claim = _Exclusive(path, me) if places.is_local(path) else _Listed(path, me)
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
            time.sleep(SETTLE)
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


class _Me:
    """What a claim's file says: who, and how many signs of life."""

    def __init__(self) -> None:
        self.nonce = uuid.uuid4().hex
        self.beat = 0

    def mark(self) -> str:
        pid = os.getpid()
        known = {"machine": _machine(), "pid": pid, "started": _started(pid), "host": platform.node()}
        return json.dumps(known | {"nonce": self.nonce, "beat": self.beat})


class _Exclusive:
    """A claim that is one file, which one caller creates."""

    def __init__(self, path: str, me: _Me) -> None:
        self._file = Path(places.filesystem(places.beside(path, ".claim"))[1])
        self._me = me

    def take(self, dead: str | None) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        while True:
            if self._create():
                return
            mark = self._read()
            if mark is None:  # released meanwhile
                continue
            if mark != dead and not _is_gone(mark):
                raise Taken(mark)
            self._bury(mark)

    def _create(self) -> bool:
        """Whether the file is ours now; it appears with what it says, so that a kill leaves no empty one."""
        draft = self._aside()
        draft.write_text(self._me.mark(), "utf-8")
        try:
            os.link(draft, self._file)
            return True
        except FileExistsError:
            return False
        except OSError:  # a disk without hard links
            with contextlib.suppress(FileExistsError), self._file.open("x", encoding="utf-8") as file:
                file.write(self._me.mark())
                return True
            return False
        finally:
            draft.unlink()

    def _aside(self) -> Path:
        return self._file.with_name(f"{self._file.name}.{self._me.nonce}.tmp")

    def _bury(self, mark: str) -> None:
        """Remove a dead claim. A live one that has taken its place in this moment is put back."""
        grave = self._aside()
        with contextlib.suppress(FileNotFoundError):
            self._file.rename(grave)
            if grave.read_text("utf-8") != mark:
                with contextlib.suppress(OSError):
                    os.link(grave, self._file)
            grave.unlink()

    def renew(self) -> bool:
        if self._me.nonce not in (self._read() or ""):
            return False  # taken over while we were asleep
        self._me.beat += 1
        places.write_bytes(str(self._file), self._me.mark().encode())
        return True

    def release(self) -> None:
        if self._me.nonce in (self._read() or ""):
            self._file.unlink()

    def _read(self) -> str | None:
        try:
            return self._file.read_text("utf-8")
        except FileNotFoundError:
            return None


class _Listed:
    """A claim that is a file of each caller's own, in a folder of all claims; listing it is consistent."""

    def __init__(self, path: str, me: _Me) -> None:
        self._filesystem, inner = places.filesystem(path)
        place = PurePosixPath(inner)
        self._folder, self._stem, self._me = f"{place.parent}/.claims", place.stem, me

    def _own(self) -> str:
        return f"{self._folder}/{self._stem}.{self._me.nonce}"

    def take(self, dead: str | None) -> None:
        if self._filesystem.type_name not in places.STORES:
            self._filesystem.create_dir(self._folder)
        self._write()
        buried = set((dead or "").splitlines())
        for look in range(LOOKS + 1):
            others = self._others()
            for name, mark in list(others.items()):
                if mark in buried or _is_gone(mark):
                    self._delete(name)
                    del others[name]
            if not others:
                return
            if look == LOOKS or any(name < self._own() for name in others):
                break
            time.sleep(SETTLE)
        self._delete(self._own())
        raise Taken("\n".join(sorted(others.values())))

    def _others(self) -> dict[str, str]:
        selector = fs.FileSelector(self._folder, allow_not_found=True)
        names = [info.path for info in self._filesystem.get_file_info(selector) if info.is_file]
        found = {}
        for name in names:
            if PurePosixPath(name).name.startswith(f"{self._stem}.") and name != self._own():
                with contextlib.suppress(FileNotFoundError), self._filesystem.open_input_stream(name) as file:
                    found[name] = file.read().decode()
        return found

    def _write(self) -> None:
        with self._filesystem.open_output_stream(self._own()) as sink:  # appears whole when it is closed
            sink.write(self._me.mark().encode())

    def _delete(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._filesystem.delete_file(name)

    def renew(self) -> bool:
        self._me.beat += 1
        self._write()
        return True

    def release(self) -> None:
        self._delete(self._own())


def _renew(renew: Callable[[], bool], over: threading.Event) -> None:
    while not over.wait(RENEW):
        with contextlib.suppress(OSError, InputError):  # the next sign of life may come through
            if not renew():
                return


@functools.cache
def _machine() -> str | None:
    """This boot of this machine, and whose process numbers are meant; None where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 (its target is no path)
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """When a process began, in the system's own count; None where it is gone, or ended and not yet buried."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _is_gone(mark: str) -> bool:
    """Whether the process of a claim is known to have ended."""
    try:
        holder = json.loads(mark)
        same_machine = holder["machine"] is not None and holder["machine"] == _machine()
        return same_machine and _started(int(holder["pid"])) != holder["started"]
    except (ValueError, KeyError, TypeError):
        return False
