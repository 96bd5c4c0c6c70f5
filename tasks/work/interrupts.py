"""SIGTERM is an interrupt like Ctrl-C: it is what Slurm, Kubernetes and Docker send before they kill."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


def listen() -> None:
    """From now on SIGTERM raises KeyboardInterrupt in the main thread; elsewhere this does nothing."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """:func:`listen` for the block."""
    before = signal.getsignal(signal.SIGTERM)
    listen()
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """SIGINT and SIGTERM wait, and the process started here never sees one, not even while it still imports:
    who stops a group of processes (a terminal, Slurm) means the parent, which tells its workers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
