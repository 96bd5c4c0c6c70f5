"""What runs the work: the machine in words, and which of its processes is meant by a number."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


@functools.cache
def processor() -> str:
    """Cores and name of the processor where Linux tells it, else its architecture."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} cores of {names[0]}" if names else f"{os.cpu_count()} cores of {platform.machine()}"


@functools.cache
def _boot() -> str | None:
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


def this_process() -> dict[str, Any]:
    """Which process this is, so that it is known from every other one: JSON's types."""
    pid = os.getpid()
    return {"machine": _boot(), "pid": pid, "started": _started(pid)}


def has_ended(process: Mapping[str, Any]) -> bool:
    """Whether a process of which :func:`this_process` was told is known to have ended.

    Raises:
        KeyError, TypeError, ValueError: something else was told.
    """
    if process["machine"] is None or process["machine"] != _boot():
        return False
    return bool(_started(int(process["pid"])) != process["started"])


@contextlib.contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """The variables, for what is started inside the block."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
