"""Parquet parts: one atomic file per unit of work; what exists is not made again."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import platform
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_gen import schema
from tasks.errors import InputError
from tasks.work import machine, places
from tasks.work.places import delete as delete
from tasks.work.places import exists as exists
from tasks.work.places import filesystem as filesystem
from tasks.work.places import is_directory as is_directory
from tasks.work.places import join, replacing


def part_path(root: str, task: str, run_id: str) -> str:
    """Where the part of one run lies below ``root``."""
    return join(root, f"task={task}", f"part-{run_id}.parquet")


def run_ids(root: str) -> set[str]:
    """The ids of all trial runs below ``root``: in the names of single parts, inside packs."""
    found: set[str] = set()
    for path in parts(root):
        found |= ids(path)
    return found


def ids(path: str) -> set[str]:
    """The runs of one part: from its name, or inside a pack."""
    name = places.stem(path)
    if name.startswith("part-"):
        return {name.removeprefix("part-")}
    return set(read(path, schema.TRIAL, ["run_id"])["run_id"].to_pylist())


def partition(path: str) -> str:
    """The task in a part's path; InputError where there is none."""
    for piece in path.split("/"):
        if piece.startswith("task="):
            return piece.removeprefix("task=")
    raise InputError(f"{path} is not below a directory task=<name>; trials lie in trials/task=<name>/")


@contextlib.contextmanager
def writing(path: str, expected: pa.Schema, **options: Any) -> Iterator[pq.ParquetWriter]:
    """A Parquet writer under a temporary name, renamed at the end: readers see all of it or nothing.

    Args:
        path: of the part.
        expected: its schema.
        options: of pyarrow's writer, beyond zstd compression.

    Raises:
        InputError: the place cannot be written to (read-only, disk full); nothing is left behind.
    """
    try:
        with (
            replacing(path) as (filesystem_, temporary),
            filesystem_.open_output_stream(temporary) as sink,
            # checksums: overwritten bytes are found, where zstd alone might decode them to numbers
            pq.ParquetWriter(
                sink, expected, compression="zstd", write_page_checksum=True, **options
            ) as writer,
        ):
            yield writer
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}; free the disk or choose another out=") from error


def write(path: str, table: pa.Table) -> None:
    """Write one table as one part, whole or not at all."""
    with writing(path, table.schema) as writer:
        writer.write_table(table)


def trial_table(rows: Iterable[Mapping[str, Any]], configuration: Mapping[str, Any]) -> pa.Table:
    """Rows of a trial as a table whose metadata say how they were made."""
    return table(rows, schema.TRIAL, configuration)


def table(
    rows: Iterable[Mapping[str, Any]], expected: pa.Schema, configuration: Mapping[str, Any]
) -> pa.Table:
    """Rows of a schema as a table whose metadata say how they were made."""
    metadata = {
        "arc.schema_version": str(schema.VERSION),
        "arc.versions": json.dumps(versions() | {"machine": machine.processor()}),
        "arc.configuration": json.dumps(configuration, sort_keys=True, default=str),
    }
    return pa.Table.from_pylist(list(rows), schema=expected.with_metadata(metadata))


def versions() -> dict[str, str]:
    """Versions of what decides numbers."""
    packages = ("torch", "numpy", "pyarrow", "arc-lr")
    return {"python": platform.python_version()} | {p: importlib.metadata.version(p) for p in packages}


def parts(root: str) -> list[str]:
    """Paths of all parts below ``root``, sorted; InputError where there is no such directory."""
    if not is_directory(root):
        raise InputError(f"no directory {root!r}; make one with the stage before this one")
    return places.tables(root)


def read(
    path: str, expected: pa.Schema, columns: Sequence[str] | None = None, group: int | None = None
) -> pa.Table:
    """One part, which must have the given schema; only some of its columns, and one of its row groups, where
    they are named.

    Raises:
        InputError: the file is damaged, of another schema, or of another version of it.
    """
    filesystem_, inner = filesystem(path)
    try:
        with pq.ParquetFile(filesystem_.open_input_file(inner), page_checksum_verification=True) as file:
            found = file.schema_arrow
            if expected.equals(schema.TRIAL) and schema.is_old(found):
                known = None if columns is None else [c for c in found.names if c in schema.needed(columns)]
                return schema.upgraded(file.read(known, use_threads=False), columns)
            _check_schema(path, found, expected)
            # parts are small: threads of their own only cost
            if group is not None:
                table = file.read_row_group(group, columns, use_threads=False)
            else:
                table = file.read(columns, use_threads=False)
            # what was added once the rows were written stands in the footer, and not in the schema
            added = {k: v for k, v in (file.metadata.metadata or {}).items() if k != b"ARROW:schema"}
            return table.replace_schema_metadata({**(found.metadata or {}), **added})
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def footer(path: str) -> pq.FileMetaData:
    """What a part says of itself without being read: rows, least and largest values; InputError: damaged."""
    filesystem_, inner = filesystem(path)
    try:
        with pq.ParquetFile(filesystem_.open_input_file(inner)) as file:
            return file.metadata
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def count_rows(path: str) -> int:
    """Rows of one part, from its footer; InputError where it is damaged."""
    return int(footer(path).num_rows)


def read_all(root: str, expected: pa.Schema) -> Iterator[tuple[str, pa.Table]]:
    """All parts below ``root``, one after the other; InputError where there is none."""
    found = parts(root)
    if not found:
        raise InputError(f"no Parquet files below {root!r}; run the stage before this one")
    for path in found:
        yield path, read(path, expected)


def check_writable(root: str) -> None:
    """Write and delete a small file below ``root``; InputError where that fails, before hours of work do."""
    probe = join(root, f"writable-{uuid.uuid4().hex}.tmp")
    write(probe, pa.table({"probe": [0]}))
    delete(probe)


def _damaged(path: str, error: Exception) -> InputError:
    return InputError(f"cannot read {path}: {str(error).splitlines()[0]}; delete it and run the stage again")


def _check_schema(path: str, found: pa.Schema, expected: pa.Schema) -> None:
    remedy = "move it away, or read it with the version that wrote it"
    version = (found.metadata or {}).get(b"arc.schema_version", str(schema.VERSION).encode()).decode()
    if version != str(schema.VERSION):
        raise InputError(
            f"{path} is of trial schema version {version}, this program reads {schema.VERSION}; {remedy}"
        )
    if not found.equals(expected):
        raise InputError(f"{path} has another schema ({', '.join(found.names)}); {remedy}")
