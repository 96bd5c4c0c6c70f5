"""Task names to tasks: every module in the families' folders is a task named like its file.

``svhn_vgg`` is ``tasks/vision/svhn_vgg.py``. Nothing is imported until a task is asked for. A path
that ends in ``.py`` names a task of one's own outside this checkout.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from tasks.base import Role, Task, TaskError, short_name
from tasks.errors import InputError, near_misses
from tasks.settings import NONE

__all__ = ["FAMILIES", "digest", "get", "names", "resolve", "short_name", "task_class"]

FAMILIES = ("vision", "text", "other")


def names(role: Role | None = None) -> list[str]:
    """All task names, sorted; with ``role``, those of that role (which imports the task files)."""
    root = Path(__file__).parent
    found = sorted(p.stem for family in FAMILIES for p in (root / family).glob("[!_]*.py"))
    return [n for n in found if role is None or task_class(n).role == role]


def task_class(name: str) -> type[Task]:
    """The class of the task called ``name`` or defined in the file ``name`` (``my_task.py``)."""
    return _only_task(_module(name), name)


def get(name: str, scale: str = "mini", settings: str = NONE) -> Task:
    """The task ``name`` with the numbers of ``scale``; InputError lists near misses.

    ``settings`` replaces some of them (see :mod:`tasks.settings`).
    """
    return task_class(name).at(scale, settings)


def digest(name: str) -> str:
    """A hash of the task's own file and of those of what it inherits from, up to :class:`~tasks.base.Task`.

    An edited task is another one to whoever keeps results of it.
    """
    own = [c for c in task_class(name).__mro__ if issubclass(c, Task) and c is not Task]
    files = dict.fromkeys(Path(inspect.getfile(c)) for c in own)
    hashes = [_file_digest(file, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:12]


@functools.lru_cache(maxsize=256)
def _file_digest(file: Path, _changed: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def resolve(selection: str | Sequence[str]) -> list[str]:
    """Task names from what a user typed: one name, several, or ``zoo`` (all of role zoo)."""
    chosen = [selection] if isinstance(selection, str) else list(selection)
    resolved = [n for item in chosen for n in (names("zoo") if item == "zoo" else [item])]
    for name in resolved:
        task_class(name)
    if not resolved:
        raise TaskError("got an empty list of tasks, need at least one name or zoo")
    return list(dict.fromkeys(resolved))


def _module(name: str) -> ModuleType:
    if name.endswith(".py"):
        return _module_from_file(Path(name).resolve())
    for family in FAMILIES:
        if name.isidentifier() and (Path(__file__).parent / family / f"{name}.py").is_file():
            return importlib.import_module(f"tasks.{family}.{name}")
    raise TaskError(f"no task {name!r}; {near_misses(name, [*names(), 'zoo'], cutoff=0.5)}")


def _module_from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise TaskError(f"no task file {path}")
    qualified = f"tasks_of_user_{path.stem}"
    cached = sys.modules.get(qualified)
    if cached is not None and cached.__file__ == str(path):
        return cached
    spec = importlib.util.spec_from_file_location(qualified, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[qualified] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[qualified]
        if isinstance(error, InputError):
            raise
        raise TaskError(_why(error, path)) from error
    return module


def _why(error: Exception, path: Path) -> str:
    """Why a task file cannot be imported, in one line that says where."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    where = f"{path}:{frames[-1].lineno}" if frames else str(path)
    name = (error.name or "") if isinstance(error, ImportError) else ""
    neighbour = path.parent / name.split(".")[0]
    if name and (neighbour.is_dir() or neighbour.with_suffix(".py").is_file()):
        return (
            f"{where}: cannot import {name}, its neighbour: a task is one file, or a change of another would "
            f"go unnoticed; move the code into {path.name}, or install it as a package"
        )
    if isinstance(error, ModuleNotFoundError):
        return f"{where}: no module {name}: install the package that brings it"
    return f"{where}: {type(error).__name__}: {' '.join(str(error).split())}"


def _only_task(module: ModuleType, name: str) -> type[Task]:
    found = [
        c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, Task) and c.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TaskError(f"{name!r} must define exactly one Task, found {len(found)} in {module.__file__}")
    _check(found[0])
    return found[0]


def _check(task: type[Task]) -> None:
    missing = [f"{name}()" for name in ("load", "build", "forward") if name in task.__abstractmethods__]
    if task.metric is Task.metric and task.meter is Task.meter:
        missing.append("metric() (or meter(), of a stream)")
    if not task.scales:
        missing.append("scales, such as {'mini': {'batch_size': 16, 'lr_range': {'adam': (1e-4, 1e-1)}}}")
    where = f"{task.__name__} in {inspect.getsourcefile(task)}"
    if missing:
        raise TaskError(f"{where} lacks {', '.join(missing)}")
    if task.together and (task.step is not Task.step or task.precision is not Task.precision):
        raise TaskError(f"{where} has together=True, which knows the plain step in float32 only")
