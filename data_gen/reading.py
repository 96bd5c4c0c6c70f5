"""Many parts, read ahead of whoever works on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_gen import schema, store
from tasks.errors import InputError
from tasks.work import places

BATCH = 128
"""Parts that :func:`stream` reads ahead."""

GROUPED = b"arc.groups"
"""Key in the metadata of a pack each of whose row groups has whole runs."""
PIECE = 128
"""A row group of a pack counts as so many parts."""

T = TypeVar("T")
U = TypeVar("U")


def stream(
    paths: Sequence[str], expected: pa.Schema, columns: Sequence[str] | None = None
) -> Iterator[tuple[str, pa.Table | InputError]]:
    """Each part as :func:`read` returns it, or the error that it raises, in the order of ``paths``.

    A pack comes in pieces of whole runs (:data:`GROUPED`), so that its size is no matter.
    """

    def attempt(piece: tuple[str, int | None]) -> tuple[str, pa.Table | InputError]:
        path, group = piece
        try:
            return path, store.read(path, expected, columns, group)
        except InputError as error:
            return path, error

    yield from ahead(attempt, [(path, group) for path in paths for group in _groups(path)])


def once(
    paths: Sequence[str],
    columns: Sequence[str] | None = None,
    *,
    wanted: Set[str] | None = None,
    bar: Any,
) -> Iterator[pa.Table]:
    """The trials of each part, without the runs that came before: one may lie in a part and in a pack.

    Args:
        paths: as for :func:`stream`.
        columns: those to read, the run's id among them; all by default.
        wanted: runs to take; all by default.
        bar: goes on by one with every path.

    Raises:
        InputError: a part cannot be read.
    """
    seen: set[str] = set()
    last = None
    for path, table in stream(paths, schema.TRIAL, columns):
        if isinstance(table, InputError):
            raise table
        runs = set(table["run_id"].to_pylist())
        fresh = runs - seen if wanted is None else (runs - seen) & wanted
        seen |= runs
        bar.update(path != last)
        last = path
        if fresh != runs:
            table = table.filter(pc.is_in(table["run_id"], pa.array(sorted(fresh), pa.string())))
        yield table


def ahead(work: Callable[[T], U], pieces: Sequence[T]) -> Iterator[U]:
    """``work`` of each piece, in their order: two threads for each core are ahead by up to two batches.

    A batch holds :data:`BATCH` parts, or as much of packs.
    """
    batches: list[list[T]] = [[]]
    room = BATCH
    for piece in pieces:
        weight = PIECE if isinstance(piece, tuple) and piece[1] is not None else 1
        if room < weight:
            batches.append([])
            room = BATCH
        batches[-1].append(piece)
        room -= weight
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        coming = [pool.submit(work, piece) for piece in batches[0]]
        for following in [*batches[1:], []]:
            current, coming = coming, [pool.submit(work, piece) for piece in following]
            while current:
                yield current.pop(0).result()  # popped: what was read is not kept


def _groups(path: str) -> Sequence[int | None]:
    """The row groups of a pack that has whole runs in each; (None,) for any other file: it is read whole."""
    if not places.stem(path).startswith("pack-"):
        return (None,)
    filesystem_, inner = store.filesystem(path)
    try:
        with pq.ParquetFile(filesystem_.open_input_file(inner)) as file:
            grouped = GROUPED in (file.schema_arrow.metadata or {})
            return range(file.metadata.num_row_groups) if grouped else (None,)
    except (pa.ArrowException, OSError):  # whoever reads it will say so
        return (None,)
