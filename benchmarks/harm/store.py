"""Finished runs in a file of JSON lines, so that a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import inspect
import io
import json
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import arc
from benchmarks.harm import problems, run, training
from benchmarks.harm.pool import Key

HOME = Path(arc.__file__).parent


@cache
def _base() -> bytes:
    """Of all files of the package (weights included) and of what all kinds share."""
    digest = hashlib.sha256()
    shared = [Path(inspect.getfile(module)) for module in (problems, run, training)]
    own = [path for path in HOME.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    for path in [*sorted(own), *shared]:
        digest.update(str(path.name).encode())
        digest.update(path.read_bytes())
    return digest.digest()


def digest_of(kind: str) -> str:
    """Of the code that a run of ``kind`` depends on; another digest is another run."""
    source = Path(inspect.getfile(training.KINDS[kind])).read_bytes()
    return hashlib.sha256(_base() + source).hexdigest()[:16]


def read(path: Path) -> dict[Key, dict[str, Any]]:
    """The finished runs of the present code; what was cut off or is of other code is left out."""
    rows: dict[Key, dict[str, Any]] = {}
    if not path.exists():
        return rows
    for line in path.read_text().splitlines():
        try:
            row = json.loads(line)
            if row["kind"] in training.KINDS and row["digest"] == digest_of(row["kind"]):
                rows[row["kind"], row["seed"], row["arm"]] = row
        except (ValueError, KeyError):
            continue
    return rows


def append(path: Path, row: dict[str, Any]) -> None:
    """Add a finished run, one whole line at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        whole = file.tell() == 0 or _ends_line(file)
        line = json.dumps({**row, "digest": digest_of(row["kind"])}) + "\n"
        file.write((line if whole else "\n" + line).encode())


def _ends_line(file: BinaryIO) -> bool:
    """Whether the last line is whole: a run that was killed may have cut it off."""
    file.seek(-1, io.SEEK_END)
    return file.read(1) == b"\n"
