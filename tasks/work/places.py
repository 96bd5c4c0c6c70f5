"""Files of the stages wherever they lie: a local path, or a URI of any filesystem that pyarrow knows."""

from __future__ import annotations

import contextlib
import functools
import os
import uuid
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from tasks.errors import InputError

STORES = ("s3", "gcs", "abfs")
"""Filesystems without directories: a file's parents are there when it is."""


def filesystem(place: str) -> tuple[fs.FileSystem, str]:
    """The filesystem and the path on it, of a local path or of a URI such as ``s3://bucket/trials``.

    Options stand in the URI's query (``?endpoint_override=localhost:9000&scheme=http``). One filesystem
    object, and its connections, serves all places of a bucket.

    Raises:
        InputError: a URI that pyarrow cannot use.
    """
    if "://" not in place:
        return fs.LocalFileSystem(), os.path.abspath(place)  # noqa: PTH100 (pyarrow takes strings)
    parts = urlsplit(place)
    if parts.scheme == "file":
        return fs.LocalFileSystem(), unquote(parts.path)
    found, base = _connected(f"{parts.scheme}://{parts.netloc}", parts.query)
    inner = unquote(parts.path).rstrip("/")
    return found, f"{base.rstrip('/')}{inner}" if base else inner


@functools.lru_cache(maxsize=16)
def _connected(bucket: str, query: str) -> tuple[fs.FileSystem, str]:
    uri = f"{bucket}?{query}" if query else bucket
    if bucket.startswith("s3:"):
        # a small file is one request, and not three; versions of pyarrow that do not know it refuse it
        with contextlib.suppress(pa.ArrowException):
            found, base = fs.FileSystem.from_uri(
                f"{bucket}?{query}{'&' * bool(query)}allow_delayed_open=true"
            )
            return found, base
    try:
        found, base = fs.FileSystem.from_uri(uri)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"cannot use {uri!r}: {error}") from error
    return found, base


def join(root: str, *names: str) -> str:
    """The place of ``names`` below ``root``; a URI's query stays at its end."""
    path, mark, query = root.partition("?") if "://" in root else (root, "", "")
    if mark or "://" in root:
        names = tuple(quote(name, safe="/=") for name in names)
    return "/".join([path.rstrip("/"), *names]) + mark + query


def stem(path: str) -> str:
    """The name of a file without folder, ending and query."""
    return PurePosixPath(filesystem(path)[1]).stem


def inside(root: str, path: str) -> str:
    """The place, as :func:`filesystem` takes it, of a path on the filesystem of ``root``."""
    if "://" not in root:
        return path
    base = filesystem(root)[1].rstrip("/")
    return join(root, path[len(base) :].lstrip("/"))


def beside(path: str, ending: str) -> str:
    """A hidden file beside a part: ``.part-1.checkpoint`` for ``part-1.parquet``."""
    place, mark, query = path.partition("?") if "://" in path else (path, "", "")
    folder, _, name = place.rpartition("/")
    return f"{folder}{'/' * bool(folder)}.{name.removesuffix('.parquet')}{ending}{mark}{query}"


def is_local(place: str) -> bool:
    """Whether a place is a path of this machine."""
    return "://" not in place or place.startswith("file://")


def check_local(key: str, place: str | None) -> None:
    """InputError where the value of ``key`` is a URI, for what is written or read by path alone."""
    if place is not None and "://" in place:
        raise InputError(
            f"got {key}={place}, need a local directory here; copy it to or from the store yourself"
        )


def kind(place: str) -> fs.FileType:
    """What lies there; InputError where the filesystem does not answer."""
    filesystem_, inner = filesystem(place)
    with reaching(place):
        return filesystem_.get_file_info(inner).type


def exists(path: str) -> bool:
    """Whether a file is there; the stages rename files into place, so one that exists is whole."""
    return bool(kind(path) == fs.FileType.File)


def is_there(place: str) -> bool:
    """Whether there is such a file or directory."""
    return bool(kind(place) != fs.FileType.NotFound)


def is_directory(place: str) -> bool:
    """Whether there is such a directory."""
    return bool(kind(place) == fs.FileType.Directory)


def delete(path: str) -> None:
    """Remove a file; that it is gone already is no error."""
    filesystem_, inner = filesystem(path)
    with contextlib.suppress(FileNotFoundError):
        filesystem_.delete_file(inner)


def tables(root: str) -> list[str]:
    """Paths of all Parquet files below ``root``, hidden ones left out, sorted."""
    filesystem_, inner = filesystem(root)
    with reaching(root):
        found = filesystem_.get_file_info(fs.FileSelector(inner, recursive=True, allow_not_found=True))
    names = [i.path for i in found if i.extension == "parquet" and not i.base_name.startswith(".")]
    return sorted(inside(root, name) for name in names)


def read_bytes(path: str) -> bytes:
    """A whole file; OSError as the filesystem raises it."""
    filesystem_, inner = filesystem(path)
    with filesystem_.open_input_stream(inner) as file:
        return bytes(file.read())


def write_bytes(path: str, content: bytes) -> None:
    """Write or replace a whole file; a reader sees the old one or the new one."""
    with replacing(path) as (filesystem_, temporary), filesystem_.open_output_stream(temporary) as sink:
        sink.write(content)


@contextlib.contextmanager
def replacing(path: str) -> Iterator[tuple[fs.FileSystem, str]]:
    """A temporary name, on the filesystem of ``path``, for what takes its place when the block ends.

    Two programs may write the same file: each has its own temporary one, and nothing of it is left where
    the block fails.
    """
    filesystem_, inner = filesystem(path)
    place = PurePosixPath(inner)
    temporary = f"{place.parent}/.{place.name}.{uuid.uuid4().hex}.tmp"
    if filesystem_.type_name not in STORES:
        filesystem_.create_dir(str(place.parent))
    try:
        yield filesystem_, temporary
        filesystem_.move(temporary, inner)
    except BaseException:
        with contextlib.suppress(OSError):
            if filesystem_.get_file_info(temporary).type == fs.FileType.File:
                filesystem_.delete_file(temporary)
        raise


@contextlib.contextmanager
def reaching(place: str) -> Iterator[None]:
    """An error of the filesystem as one line that names the place."""
    try:
        yield
    except OSError as error:
        words = str(error).splitlines()[0]
        raise InputError(
            f"cannot reach {place}: {words}; check the name, the rights and the network"
        ) from error
