"""What a stage says also goes to a file beside what it writes: ``runs/trials`` has ``runs/trials.log``.

Where ``out`` is a URI, each call has a file of its own in ``<out>.log/``: an object store cannot append.
"""

from __future__ import annotations

import io
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from tasks.errors import InputError
from tasks.work import places

UPLOAD = 60.0
"""Seconds between uploads of a log to an object store, while something is said."""


@contextmanager
def kept(out: object, stage: str, arguments: Sequence[str]) -> Iterator[None]:
    """Append the command, its time and all that is printed to the log; progress bars are left out.

    Args:
        out: what the stage writes; without it, or where no file can be opened, nothing is kept: the stage
            says what is wrong with the place.
        stage: name of the stage.
        arguments: as they were typed.
    """
    began = datetime.now().astimezone().isoformat(timespec="seconds")
    try:
        log = _open(out, began)
    except OSError:
        log = None
    if log is None:
        yield
        return
    try:
        log.write(f"\n{began} $ python -m {stage} {shlex.join(arguments)}\n")
        with redirect_stdout(_Tee(sys.stdout, log)), redirect_stderr(_Tee(sys.stderr, log)):
            yield
    finally:
        with suppress(OSError, InputError):
            log.close()


def _open(out: object, began: str) -> TextIO | None:
    if not isinstance(out, str):
        return None
    if not places.is_local(out):
        root, mark, query = out.partition("?")
        name = f"{began.replace(':', '-')}-{platform.node()}-{os.getpid()}.log"
        return _Uploaded(places.join(f"{root.rstrip('/')}.log{mark}{query}", name))
    file = Path(places.filesystem(out)[1] + ".log")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.open("a", encoding="utf-8")


class _Uploaded(io.StringIO):
    """A log that is kept here and replaces its object now and then, and when it is closed."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place, self._sent = place, time.monotonic()

    def flush(self) -> None:
        if time.monotonic() - self._sent >= UPLOAD:
            self._upload()

    def close(self) -> None:
        if not self.closed:
            self._upload()
        super().close()

    def _upload(self) -> None:
        self._sent = time.monotonic()
        with suppress(OSError, InputError):
            places.write_bytes(self._place, self.getvalue().encode())


class _Tee:
    """A stream that writes whole lines to the log as well, but no bars."""

    def __init__(self, stream: TextIO, log: TextIO) -> None:
        self._stream, self._log, self._line = stream, log, ""

    def write(self, text: str) -> int:
        self._line += text
        *lines, self._line = self._line.split("\n")
        with suppress(OSError):  # a full disk: the stage says so, on a terminal that still works
            for line in lines:
                shown = line.rsplit("\r", 1)[-1]  # what a redrawn line ends as
                if "%|" not in shown and (shown or shown == line):
                    self._log.write(shown + "\n")
            self._log.flush()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
