"""Where a task's data comes from, and under which name its results are filed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.errors import TaskError


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a task's data comes from.

    Attributes:
        kind: ``embedded`` (made from what the dependencies ship), ``local`` (files below ``path``)
            or ``hub`` (downloaded by the ``datasets`` package).
        path: the directory of local data; None otherwise.
    """

    kind: Literal["embedded", "local", "hub"] = "embedded"
    path: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("embedded", "local", "hub"):
            raise TaskError(f"got data={self.kind!r}, need embedded, local or hub")
        if self.kind == "local" and not self.path:
            raise TaskError("data=local needs data_dir=<directory of the data set>")

    def require_embedded(self) -> None:
        """TaskError unless the kind is ``embedded``: for tasks that take no other data."""
        if self.kind != "embedded":
            raise TaskError(f"got data={self.kind!r}, but this task has only data of its own: data=embedded")


def short_name(name: str) -> str:
    """The name under which a task's results are filed: a path's stem, else the name itself."""
    return Path(name).stem if name.endswith(".py") else name


def source_of(data: str, data_dir: Any, task: str) -> Source:
    """A task's source from the keys ``data`` and ``data_dir`` (a directory, or one for each task)."""
    path = data_dir.get(short_name(task)) if isinstance(data_dir, dict) else data_dir
    if isinstance(data_dir, dict) and path is None and data == "local":
        raise TaskError(f"data_dir has no entry for {task}, only for {', '.join(data_dir)}")
    return Source(kind=data, path=path if data == "local" else None)  # type: ignore[arg-type]
