"""What a task must provide, and what it may assume."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tasks.errors import TaskError
from tasks.recipe import PLAIN, Precision, Recipe
from tasks.settings import NONE, replaced
from tasks.source import Source, short_name, source_of
from tasks.splits import Batch, Splits
from tasks.stream import Data, Stream

if TYPE_CHECKING:
    from tasks.loop import TaskRun

__all__ = [
    "Batch",
    "Data",
    "Meter",
    "Predictions",
    "Role",
    "Source",
    "Splits",
    "Stateful",
    "Stream",
    "Task",
    "TaskError",
    "short_name",
    "source_of",
]

Predictions = Tensor | tuple[Tensor, ...]
"""What the metric needs of a forward pass; every tensor's first dimension is the examples."""


class Meter(Protocol):
    """A metric that is accumulated batch by batch, such as :class:`tasks.metrics.mean.Mean`."""

    def update(self, predictions: Predictions, batch: Batch) -> None:
        """Take the predictions of one batch of a split into account."""
        ...

    def compute(self) -> float:
        """The quality of all that was seen, in ``metric_name``'s unit."""
        ...


class Stateful(Protocol):
    """What is saved and restored with a run."""

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Go on from a ``state_dict``."""
        ...


Role = Literal["zoo", "proxy", "evaluation", "development", "custom"]


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """One training problem: data, model, loss and metric. The fields are its numbers at one scale.

    A task file defines one subclass called like nothing in particular, and its module is found by
    its file name (see :mod:`tasks.registry`). Subclasses add the fields that their five callables
    need, and give the values of each scale in ``scales``. Training on several devices at once (DDP,
    FSDP) is not for a task: one training is one process on one device.

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
        try:
            task = cls(**cls.scales[scale])
        except TypeError as error:  # a number without a field, or a field without a number
            raise TaskError(
                f"the numbers of scale={scale} are not the fields of {cls.__name__}, which needs "
                f"@dataclass(frozen=True, kw_only=True): {error}"
            ) from error
        return replaced(task, settings)

    # -- what a task must say: load, build, forward, and metric or meter ---------------------------------

    @abstractmethod
    def load(self, source: Source) -> Data:
        """Training, validation and test data from disjoint sources. Deterministic."""

    @abstractmethod
    def build(self) -> nn.Module:
        """A fresh model; its initial weights come from torch's default generator."""

    @abstractmethod
    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """The loss (a scalar, the mean over the batch's examples) and the predictions."""

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """The quality of the predictions of a whole split, in ``metric_name``'s unit."""
        meter = self.meter()
        if meter is None:
            raise TaskError(f"{type(self).__name__} has neither metric() nor meter(): it needs one of them")
        meter.update(predictions, split)
        return meter.compute()

    def meter(self) -> Meter | None:
        """A fresh meter, where the metric is accumulated; None: :meth:`metric` sees the whole split.

        A stream needs one, and so does a split whose predictions together are too large for the memory.
        """
        return None

    # -- what a task may say -----------------------------------------------------------------------------

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A randomly changed copy of a training batch; the same batch by default.

        Each example is changed on its own. Where numbers are drawn with ``device=generator.device`` as well,
        a stack (:mod:`tasks.stacked`) draws them on its card.
        """
        return batch

    def optimizer(self, model: nn.Module, lr: float) -> Optimizer | Sequence[Optimizer]:
        """The task's own optimizer, or several, which run under the name ``own``; TaskError: it has none.

        Groups may have LRs of their own: all are moved together.
        """
        raise TaskError(f"{type(self).__name__} has no optimizer of its own; name another one than own")

    def step(self, run: TaskRun, batch: Batch) -> Tensor:
        """Take one optimizer step on a training batch; its loss, detached.

        One of its own calls ``run.forward`` for the loss as often as it likes, and ``run.update`` once. A
        method that takes the optimizer's place, a line search for one, does without.
        """
        return run.step(batch)

    def states(self, run: TaskRun) -> Mapping[str, Stateful]:
        """What :meth:`step` carries along beside model and optimizer, such as a GradScaler: made once for
        each run, found in ``run.states``, saved and restored with it."""
        return {}

    def precision(self, device: torch.device) -> Precision:
        """How forward passes are computed where nobody asks for something else than float32."""
        return self.recipe.precision

    def warmup(self, epoch_steps: int) -> int:
        """First steps over which the LR rises, where nobody asks for some; an epoch has ``epoch_steps``."""
        return self.recipe.warmup

    # -- what follows from it ----------------------------------------------------------------------------

    def loaded(self, source: Source) -> Data:
        """What :meth:`load` returns; TaskError where that is no data."""
        data, name = self.load(source), type(self).__name__
        if not isinstance(data, Splits | Stream):
            raise TaskError(
                f"load() of {name} gave a {type(data).__name__}, need tasks.base.Splits (tensors) or a "
                "tasks.base.Stream (of DataLoaders: tasks.loaders.Loaders)"
            )
        data.check()
        if isinstance(data, Stream):
            data.check_for(name, batch_size=self.batch_size, accumulated=self.meter() is not None)
        return data
