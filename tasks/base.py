"""What a task must provide, and what it may assume."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from tasks.errors import InputError
from tasks.recipe import PLAIN, Recipe
from tasks.settings import NONE, replaced

Batch = dict[str, Tensor]
"""Named tensors that share their first dimension (the examples)."""

Predictions = Tensor | tuple[Tensor, ...]
"""What the metric needs of a forward pass; every tensor's first dimension is the examples."""

Role = Literal["zoo", "proxy", "evaluation", "development", "custom"]


class TaskError(InputError):
    """A task, its data or its settings cannot be used as asked; the message says what would do."""


class Splits(NamedTuple):
    """Training, validation and test data from disjoint sources, as tensors in memory."""

    train: Batch
    val: Batch
    test: Batch

    def to(self, device: torch.device | str) -> Splits:
        """The same data on another device."""
        return Splits(*({k: v.to(device) for k, v in split.items()} for split in self))

    def fingerprint(self) -> str:
        """A short hash of names, shapes and contents."""
        digest = hashlib.sha256()
        for name, split in zip(self._fields, self, strict=True):
            for key, tensor in sorted(split.items()):
                digest.update(f"{name}.{key}{tuple(tensor.shape)}{tensor.dtype}".encode())
                rows = tensor.cpu().contiguous()
                digest.update(rows.view(torch.uint8).numpy().tobytes() if rows.dim() else b"")
        return digest.hexdigest()[:12]


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


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """One training problem: data, model, loss and metric. The fields are its numbers at one scale.

    A task file defines one subclass called like nothing in particular, and its module is found by
    its file name (see :mod:`tasks.registry`). Subclasses add the fields that their five callables
    need, and give the values of each scale in ``scales``.

    Class attributes:
        role: ``zoo`` (trains controllers), ``proxy`` (selects them), ``evaluation`` (reported only,
            data_gen refuses it), ``development`` (for design decisions) or ``custom``.
        metric_name: what :meth:`metric` returns, e.g. ``accuracy``.
        higher_is_better: the direction of the metric.
        scales: the fields' values per scale: ``mini``, ``paper``, and ``medium`` (minutes on one core).
        together: whether runs of it can take their steps together (:mod:`tasks.together`), which
            :func:`tasks.together.check.difference` tells.

    Attributes:
        batch_size: examples of one optimizer step.
        lr_range: lowest and highest initial LR per optimizer name, from too low to diverging.
        recipe: how it is trained where nobody asks for something else: the comparison takes it, and
            data_gen draws its own.
    """

    role: ClassVar[Role] = "custom"
    metric_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    scales: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    together: ClassVar[bool] = False

    batch_size: int
    lr_range: Mapping[str, tuple[float, float]]
    recipe: Recipe = PLAIN

    @classmethod
    def at(cls, scale: str, settings: str = NONE) -> Self:
        """The task at ``scale`` (TaskError with the known scales otherwise), some numbers replaced."""
        if scale not in cls.scales:
            raise TaskError(f"got scale={scale!r}, {cls.__name__} has {', '.join(cls.scales)}")
        return replaced(cls(**cls.scales[scale]), settings)

    @abstractmethod
    def load(self, source: Source) -> Splits:
        """Training, validation and test data from disjoint sources. Deterministic."""

    @abstractmethod
    def build(self) -> nn.Module:
        """A fresh model; its initial weights come from torch's default generator."""

    @abstractmethod
    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """The loss (a scalar, the mean over the batch's examples) and the predictions."""

    @abstractmethod
    def metric(self, predictions: Predictions, split: Batch) -> float:
        """The quality of the predictions of a whole split, in ``metric_name``'s unit."""

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A randomly changed copy of a training batch; the same batch by default."""
        return batch

    def optimizer(self, model: nn.Module, lr: float) -> torch.optim.Optimizer:
        """The task's own optimizer, which runs under the name ``own``; TaskError where it has none.

        Its groups may have LRs of their own: all are moved together.
        """
        raise TaskError(f"{type(self).__name__} has no optimizer of its own; name another one than own")
