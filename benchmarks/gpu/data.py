"""Data are read once, while the card is busy with something else."""

from __future__ import annotations

import time

from benchmarks.gpu.job import Tell
from benchmarks.gpu.trainings import loaded


def run(tell: Tell, kind: str, scale: str, path: str | None) -> None:
    """Read them, and say how many rows there are."""
    began = time.perf_counter()
    _, splits = loaded(kind, scale, path, "cpu")
    rows = [len(next(iter(split.values()))) for split in splits]
    said = f"{path or 'embedded'}: {', '.join(f'{n:,}' for n in rows)} rows ({splits.fingerprint()})"
    tell(f"data, {kind}", said, rows=rows, seconds=time.perf_counter() - began)
