"""What a stage says also goes to a file beside what it writes: ``runs/trials`` has ``runs/trials.log``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO


@contextmanager
def kept(out: object, stage: str, arguments: Sequence[str]) -> Iterator[None]:
    """Append the command, its time and all that is printed to ``<out>.log``; progress bars are left out.

    Args:
        out: what the stage writes; without it, where it is no local path, or where no file can be
            opened, nothing is kept: the stage says what is wrong with the place.
        stage: name of the stage.
        arguments: as they were typed.
    """
    if not isinstance(out, str) or "://" in out:
        yield
        return
    file = Path(out.rstrip("/") + ".log")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        log = file.open("a", encoding="utf-8")
    except OSError:
        yield
        return
    try:
        began = datetime.now().astimezone().isoformat(timespec="seconds")
        log.write(f"\n{began} $ python -m {stage} {shlex.join(arguments)}\n")
        with redirect_stdout(_Tee(sys.stdout, log)), redirect_stderr(_Tee(sys.stderr, log)):
            yield
    finally:
        with suppress(OSError):
            log.close()


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
