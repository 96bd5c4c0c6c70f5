"""The files of claims, of two kinds: one that a single caller creates, and one of each caller's own."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
import uuid
from pathlib import Path, PurePosixPath
from typing import Protocol

from pyarrow import fs

from tasks.work import machine, places
from tasks.work.answers import Taken

SETTLE, LOOKS = 0.3, 3
"""Of callers that claim at once in an object store, the first by name looks so often, so far apart (s), for
the others to withdraw."""


class File(Protocol):
    """The file of a claim that is to be held."""

    def take(self, dead: str | None) -> None:
        """Hold the claim, or raise Taken; a mark that is ``dead`` does not count. OSError as it comes."""
        ...

    def renew(self) -> bool:
        """Give a sign of life; False where the claim is another's by now."""
        ...

    def release(self) -> None:
        """Hold it no more."""
        ...


def of(path: str) -> File:
    """The file of a claim on ``path`` by this process, in the way of its filesystem."""
    return Exclusive(path, Me()) if places.is_local(path) else Listed(path, Me())


class Me:
    """What a claim's file says: who, and how many signs of life."""

    def __init__(self) -> None:
        self.nonce = uuid.uuid4().hex
        self.beat = 0

    def mark(self) -> str:
        """One line of JSON."""
        known = machine.this_process() | {"host": platform.node()}
        return json.dumps(known | {"nonce": self.nonce, "beat": self.beat})


class Exclusive:
    """A claim that is one file, which one caller creates."""

    def __init__(self, path: str, me: Me) -> None:
        self._file = Path(places.filesystem(places.beside(path, ".claim"))[1])
        self._me = me

    def take(self, dead: str | None) -> None:
        """See :class:`File`."""
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
        try:
            draft.write_text(self._me.mark(), "utf-8")
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
            draft.unlink(missing_ok=True)

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
        """See :class:`File`."""
        if self._me.nonce not in (self._read() or ""):
            return False  # taken over while we were asleep
        self._me.beat += 1
        places.write_bytes(str(self._file), self._me.mark().encode())
        return True

    def release(self) -> None:
        """See :class:`File`."""
        if self._me.nonce in (self._read() or ""):
            self._file.unlink()

    def _read(self) -> str | None:
        try:
            return self._file.read_text("utf-8")
        except FileNotFoundError:
            return None


class Listed:
    """A claim that is a file of each caller's own, in a folder of all claims; listing it is consistent."""

    def __init__(self, path: str, me: Me) -> None:
        self._filesystem, inner = places.filesystem(path)
        place = PurePosixPath(inner)
        self._folder, self._stem, self._me = f"{place.parent}/.claims", place.stem, me

    def _own(self) -> str:
        return f"{self._folder}/{self._stem}.{self._me.nonce}"

    def take(self, dead: str | None) -> None:
        """See :class:`File`."""
        if self._filesystem.type_name not in places.STORES:
            self._filesystem.create_dir(self._folder)
        self._write()
        buried = () if dead is None else dead.split("\n")
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
        """See :class:`File`."""
        self._me.beat += 1
        self._write()
        return True

    def release(self) -> None:
        """See :class:`File`."""
        self._delete(self._own())


def _is_gone(mark: str) -> bool:
    """Whether the process of a claim is known to have ended."""
    try:
        return machine.has_ended(json.loads(mark))
    except (ValueError, KeyError, TypeError):
        return False
