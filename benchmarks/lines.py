"""Results in a file of JSON lines, to which every one is added as soon as it is there."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The rows; a line that was cut off is left out, and a file that is not there is empty."""
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def append(path: Path, row: dict[str, Any]) -> None:
    """Add a row, one whole line in one write: several processes may add to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b", buffering=0) as file:
        start = "" if file.tell() == 0 or _ends_line(file) else "\n"
        file.write(f"{start}{json.dumps(row)}\n".encode())


def _ends_line(file: io.RawIOBase | BinaryIO) -> bool:
    """Whether the last line is whole: a process that was killed may have cut it off."""
    file.seek(-1, io.SEEK_END)
    return file.read(1) == b"\n"
