"""Parquet parts: one atomic file per unit of work; what exists is not made again."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from data_gen import schema, upgrade
from tasks.errors import InputError
from tasks.work import machine

BATCH = 512
"""Parts that :func:`stream` reads ahead."""


def filesystem(place: str) -> tuple[fs.FileSystem, str]:
    """The filesystem and the path on it, of a local path or of a URI such as ``s3://bucket/trials``."""
    try:
        if "://" in place:
            found, inner = fs.FileSystem.from_uri(place)
            return found, inner
        return fs.LocalFileSystem(), os.path.abspath(place)  # noqa: PTH100 (pyarrow takes strings)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"cannot use {place!r}: {error}") from error


def part_path(root: str, task: str, run_id: str) -> str:
    """Where the part of one run lies below ``root``."""
    return f"{root.rstrip('/')}/task={task}/part-{run_id}.parquet"


def exists(path: str) -> bool:
    """Whether a part is there; parts are renamed into place, so one that exists is whole."""
    filesystem_, inner = filesystem(path)
    return bool(filesystem_.get_file_info(inner).type == fs.FileType.File)


def is_directory(place: str) -> bool:
    """Whether there is such a directory."""
    filesystem_, inner = filesystem(place)
    return bool(filesystem_.get_file_info(inner).type == fs.FileType.Directory)


def run_ids(root: str) -> set[str]:
    """The ids of all trial runs below ``root``: in the names of single parts, inside packs."""
    found: set[str] = set()
    for path in parts(root):
        name = PurePosixPath(path).stem
        if name.startswith("part-"):
            found.add(name.removeprefix("part-"))
        else:
            found.update(read(path, schema.TRIAL, ["run_id"])["run_id"].to_pylist())
    return found


def delete(path: str) -> None:
    """Remove one part."""
    filesystem_, inner = filesystem(path)
    filesystem_.delete_file(inner)


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
    filesystem_, inner = filesystem(path)
    place = PurePosixPath(inner)
    # Two generators on one directory may work on the same part: each has its own temporary file.
    temporary = f"{place.parent}/.{place.name}.{uuid.uuid4().hex}.tmp"
    try:
        filesystem_.create_dir(str(place.parent))
        try:
            with (
                filesystem_.open_output_stream(temporary) as sink,
                # checksums: overwritten bytes are found, where zstd alone might decode them to numbers
                pq.ParquetWriter(
                    sink, expected, compression="zstd", write_page_checksum=True, **options
                ) as writer,
            ):
                yield writer
            filesystem_.move(temporary, inner)
        except BaseException:
            if filesystem_.get_file_info(temporary).type == fs.FileType.File:
                filesystem_.delete_file(temporary)
            raise
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
    filesystem_, inner = filesystem(root)
    if not is_directory(root):
        raise InputError(f"no directory {root!r}; make one with the stage before this one")
    found = filesystem_.get_file_info(fs.FileSelector(inner, recursive=True))
    prefix = root.split("://")[0] + "://" if "://" in root else ""
    return sorted(
        f"{prefix}{info.path}"
        for info in found
        if info.extension == "parquet" and not info.base_name.startswith(".")
    )


def read(path: str, expected: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """One part, which must have the given schema; only some of its columns where they are named.

    Raises:
        InputError: the file is damaged, of another schema, or of another version of it.
    """
    filesystem_, inner = filesystem(path)
    try:
        with pq.ParquetFile(filesystem_.open_input_file(inner), page_checksum_verification=True) as file:
            found = file.schema_arrow
            if expected.equals(schema.TRIAL) and upgrade.is_old(found):
                known = None if columns is None else [c for c in found.names if c in upgrade.needed(columns)]
                return upgrade.upgraded(file.read(known, use_threads=False), columns)
            _check_schema(path, found, expected)
            return file.read(columns, use_threads=False)  # parts are small: threads of their own only cost
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def count_rows(path: str) -> int:
    """Rows of one part, from its footer; InputError where it is damaged."""
    filesystem_, inner = filesystem(path)
    try:
        with pq.ParquetFile(filesystem_.open_input_file(inner)) as file:
            return int(file.metadata.num_rows)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def stream(
    paths: Sequence[str], expected: pa.Schema, columns: Sequence[str] | None = None
) -> Iterator[tuple[str, pa.Table | InputError]]:
    """Each part as :func:`read` returns it, or the error that it raises, in the order of ``paths``.

    Two threads for each core read ahead of the caller by up to two batches of :data:`BATCH` parts.
    """

    def attempt(path: str) -> tuple[str, pa.Table | InputError]:
        try:
            return path, read(path, expected, columns)
        except InputError as error:
            return path, error

    batches = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        ahead = [pool.submit(attempt, path) for path in batches[0]] if batches else []
        for following in [*batches[1:], []]:
            current, ahead = ahead, [pool.submit(attempt, path) for path in following]
            while current:
                yield current.pop(0).result()  # popped: what was read is not kept


def read_all(root: str, expected: pa.Schema) -> Iterator[tuple[str, pa.Table]]:
    """All parts below ``root``, one after the other; InputError where there is none."""
    found = parts(root)
    if not found:
        raise InputError(f"no Parquet files below {root!r}; run the stage before this one")
    for path in found:
        yield path, read(path, expected)


def check_writable(root: str) -> None:
    """Write and delete a small file below ``root``; InputError where that fails, before hours of work do."""
    probe = f"{root.rstrip('/')}/writable-{uuid.uuid4().hex}.tmp"
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
