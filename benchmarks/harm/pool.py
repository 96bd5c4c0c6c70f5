"""Runs side by side, one thread each."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from benchmarks.harm import run

Key = tuple[str, int, str]


def finished(keys: Sequence[Key], workers: int) -> Iterator[dict[str, Any]]:
    """The results of all runs, as they end; with ``workers=0`` in this process."""
    if not workers:
        yield from (run.run(*key) for key in keys)
        return
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    with context.Pool(workers, torch.set_num_threads, (1,)) as pool:
        yield from pool.imap_unordered(_run, keys)


def _run(key: Key) -> dict[str, Any]:
    # spawned workers cannot find what is defined in a package's __main__
    return run.run(*key)
