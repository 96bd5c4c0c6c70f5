"""Finished runs in a file of JSON lines, so that a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import inspect
from functools import cache
from pathlib import Path
from typing import Any

import arc
from benchmarks import lines
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
    return {
        (row["kind"], row["seed"], row["arm"]): row
        for row in lines.read(path)
        if row.get("kind") in training.KINDS and row.get("digest") == digest_of(row["kind"])
    }


def append(path: Path, row: dict[str, Any]) -> None:
    """Add a finished run, one whole line at once."""
    lines.append(path, {**row, "digest": digest_of(row["kind"])})
