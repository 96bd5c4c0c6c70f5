"""Folders that a stage writes or reads as a whole (a candidate, a page with figures), wherever they lie.

On a disk they are used in place. In an object store, whose files appear one by one, a folder is uploaded when
it is whole, and the file that tells of it last; it is read from a copy.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pyarrow import fs

from tasks.errors import InputError
from tasks.work import places


@contextlib.contextmanager
def written(place: str, last: str) -> Iterator[Path]:
    """A local path to make a folder or its files at: ``place`` itself, or what is uploaded to it at the end.

    Args:
        place: a path or a URI.
        last: the file that is uploaded after all others: where it is, the folder is whole.

    Raises:
        InputError: the store cannot be written to.
    """
    if places.is_local(place):
        yield Path(places.filesystem(place)[1])
        return
    with tempfile.TemporaryDirectory(prefix="arc-") as parent:
        folder = Path(parent) / name(place)
        yield folder
        files = sorted(
            (file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.name == last
        )
        with places.reaching(place):
            for file in files:
                inside = places.join(place, *file.relative_to(folder).parts)
                places.write_bytes(inside, file.read_bytes())


@contextlib.contextmanager
def made(place: str, last: str) -> Iterator[Path]:
    """A local path to make a folder at, which is not there yet: ``place`` has all of it or nothing.

    Args:
        place: as for :func:`written`.
        last: as for :func:`written`.

    Raises:
        InputError: ``place`` cannot be written to.
    """
    if not places.is_local(place):
        with written(place, last) as folder:
            yield folder
        return
    target = Path(places.filesystem(place)[1])
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        yield temporary
        temporary.rename(target)
    except OSError as error:
        raise InputError(f"cannot write {place}: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def proof(place: str, last: str) -> str:
    """What is there once a folder of :func:`made` is whole: it, or in a store the last of its files."""
    return place if places.is_local(place) else places.join(place, last)


def here(place: str) -> Path:
    """A local folder with the files of ``place``: itself, or a copy that this process makes once.

    Raises:
        InputError: the store cannot be reached.
    """
    if places.is_local(place):
        return Path(places.filesystem(place)[1])
    return Path(_copied(place, _files(place)).name)


def name(place: str) -> str:
    """The name of a file or folder; the query of a URI is none of it."""
    return PurePosixPath(places.filesystem(place)[1]).name


def below(place: str, holding: str) -> list[str]:
    """The folders directly below ``place`` that hold a file of that name, hidden ones left out, by name."""
    filesystem_, inner = places.filesystem(place)
    with places.reaching(place):
        infos = filesystem_.get_file_info(fs.FileSelector(inner, allow_not_found=True))
    names = sorted(i.base_name for i in infos if i.type == fs.FileType.Directory and i.base_name[0] != ".")
    return [p for p in (places.join(place, n) for n in names) if places.exists(places.join(p, holding))]


@functools.lru_cache(maxsize=64)
def _copied(place: str, files: tuple[tuple[str, int, object], ...]) -> tempfile.TemporaryDirectory[str]:
    """The copy, by what the store says of the files: another folder of the same name is copied anew."""
    made = tempfile.TemporaryDirectory(prefix="arc-")
    with places.reaching(place):
        for file, _, _ in files:
            Path(made.name, file).write_bytes(places.read_bytes(places.join(place, file)))
    return made


def _files(place: str) -> tuple[tuple[str, int, object], ...]:
    """Name, size and time of each file directly in a folder, hidden ones left out."""
    filesystem_, inner = places.filesystem(place)
    with places.reaching(place):
        infos = filesystem_.get_file_info(fs.FileSelector(inner, allow_not_found=True))
    return tuple((i.base_name, i.size, i.mtime) for i in infos if i.is_file and i.base_name[0] != ".")
