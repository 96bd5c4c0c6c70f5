"""Trials that are carried out together, as one training on one device: ``stack=`` of the command line.

A block is ``stack`` trials of a task with consecutive indices, whatever is asked for besides: what its trials
draw on the device comes from one stream, so a block is made whole, and ``stack`` is part of its trials' ids.
Within a block those are stacked that have optimizer, numbers of the task, batch size, steps of an epoch
and precision in common. What cannot be stacked is trained one by one, under the same ids.
"""

from __future__ import annotations

import itertools
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_gen import store, trial
from data_gen.trial_settings import Trial
from tasks.base import Data, Task
from tasks.loop import TaskRun
from tasks.stacked import in_lockstep
from tasks.together.twin import NotStackable
from tasks.work.processes import Tick

if TYPE_CHECKING:
    from data_gen.unit import TrialUnit

Rows = list[dict[str, Any]]


def mode(size: int) -> str:
    """How the branches of a stacked trial are trained, in :class:`data_gen.trial_settings.Trial`."""
    return f"stack {size}"


def rows(
    trials: Sequence[Trial],
    task: Task,
    data: Data,
    fingerprint: str,
    device: str,
    *key: object,
    tick: Tick = lambda: None,
) -> Iterator[tuple[int, Rows]]:
    """The number and the rows of each trial, as they end; ``tick`` is called for every row.

    Args:
        trials: that can be stacked (see above).
        task, data, fingerprint, device: as for :func:`data_gen.trial.rows`.
        key: decides what is drawn on the device.

    Raises:
        NotStackable: the task, its optimizer or its data cannot be.
    """

    def training(one: Trial) -> Callable[[Callable[..., TaskRun]], object]:
        def carried_out(make: Callable[..., TaskRun]) -> Rows:
            found: Rows = []
            for row in trial.rows(one, task, data, fingerprint, device, make=make):
                found.append(row | {"seconds": row["seconds"] / len(trials)})
                tick()
            return found

        return carried_out

    optimizer = trials[0].draw(task).optimizer
    for number, found in in_lockstep([training(one) for one in trials], optimizer, *key):
        assert isinstance(found, list)
        yield number, found


@dataclass(frozen=True)
class StackUnit:
    """The trials of a block, one Parquet part each."""

    units: tuple[TrialUnit, ...]

    @property
    def name(self) -> str:
        """Task, indices and seed."""
        first, last = self.units[0].trial, self.units[-1].trial
        return f"{first.task} trials {first.index} to {last.index} (seed {first.seed})"

    @property
    def path(self) -> str:
        """What a claim on the block is called after; there is no such file."""
        return self.units[0].path.replace("part-", "block-")

    @property
    def ticks(self) -> int:
        """One for each row."""
        return sum(unit.ticks for unit in self.units)

    def run(self, tick: Tick = lambda: None) -> int:
        """Make the parts that are missing; the number of rows."""
        made = 0
        groups: dict[tuple[object, ...], list[TrialUnit]] = defaultdict(list)
        for unit in self.units:
            groups[self._alike(unit)].append(unit)
        for number, group in enumerate(groups.values()):
            if not all(store.exists(unit.path) for unit in group):
                made += self._carry_out(group, number, tick)
        return made

    def _alike(self, unit: TrialUnit) -> tuple[object, ...]:
        drawn = unit.trial.draw(unit.loaded()[0])
        recipe = drawn.recipe
        alike = recipe.batch_size, recipe.epoch_steps, recipe.precision
        return drawn.optimizer, unit.trial.settings, unit.fingerprint, *alike

    def _carry_out(self, group: Sequence[TrialUnit], number: int, tick: Tick) -> int:
        first = group[0]
        task, data = first.loaded()
        key = first.trial.seed, task, self.units[0].trial.index, number
        made = 0
        try:
            trials = [unit.trial for unit in group]
            for i, found in rows(trials, task, data, first.fingerprint, first.device, *key, tick=tick):
                if not store.exists(group[i].path):
                    group[i].write(task, found)
                    made += len(found)
            return made
        except NotStackable as error:
            print(f"{self.name}: {len(group)} of them one by one: {error}", file=sys.stderr)
        return sum(unit.run(tick) for unit in group)


def blocks(units: Sequence[TrialUnit], size: int) -> list[StackUnit]:
    """The blocks of all trials that are asked for; within an index, task after task."""
    found: dict[tuple[int, str], list[TrialUnit]] = defaultdict(list)
    for unit in units:
        found[unit.trial.index // size, unit.trial.task].append(unit)
    return [StackUnit(tuple(block)) for block in found.values()]


def trials_of(units: Sequence[TrialUnit | StackUnit]) -> list[TrialUnit]:
    """The trials of units of either kind."""
    parts = (unit.units if isinstance(unit, StackUnit) else (unit,) for unit in units)
    return list(itertools.chain.from_iterable(parts))
