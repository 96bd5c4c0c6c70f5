"""One unit of work: a trial run, from its settings to its Parquet part."""

from __future__ import annotations

import functools
import itertools
from dataclasses import asdict, dataclass
from typing import Any

from data_gen import kept_rows, schema, store, trial
from data_gen.trial import Progress
from data_gen.trial_settings import Trial
from tasks import registry
from tasks.base import Data, Source, Task
from tasks.settings import NONE
from tasks.work import tensorboard, workers
from tasks.work.answers import Stopped
from tasks.work.checkpoint import Checkpoint


@dataclass(frozen=True)
class TrialUnit:
    """One trial run, from its configuration to its Parquet part."""

    trial: Trial
    fingerprint: str
    device: str
    out: str
    tensorboard: str | None = None

    @property
    def name(self) -> str:
        """Task, index and seed."""
        return f"{self.trial.task} trial {self.trial.index} (seed {self.trial.seed})"

    @functools.cached_property
    def run_id(self) -> str:
        """What names the trial's part."""
        return self.trial.run_id(
            _task(self.trial.task, self.trial.scale, self.trial.settings), self.fingerprint
        )

    @property
    def path(self) -> str:
        """The part that this unit writes."""
        return store.part_path(self.out, registry.short_name(self.trial.task), self.run_id)

    @property
    def ticks(self) -> int:
        """One for each row."""
        return self.trial.cycles

    def run(self, tick: workers.Tick = lambda: None) -> int:
        """Run the trial and write its part, unless another generator has by now: then no rows are made.

        A trial that a killed process has left goes on after the last cycle that was saved.
        """
        if store.exists(self.path):
            return 0
        task, data = self.loaded()
        file = Checkpoint(self.path)
        rows, progress = _saved(file)
        optimizer, lr0, period, _ = self.trial.draw(task)
        settings = {"task": self.trial.task, "optimizer": optimizer, "lr0": lr0, "period": period}
        name = f"trial_{registry.short_name(self.trial.task)}_{self.trial.seed}_{self.trial.index}"
        more = trial.rows(self.trial, task, data, self.fingerprint, self.device, progress)
        with tensorboard.writing(self.tensorboard, name, settings, ("val_loss",)) as log:
            for row in itertools.chain(list(rows), more):
                if row["cycle"] >= len(rows):
                    rows.append(row)
                    if file.due and progress.state:
                        _save(file, rows, progress)
                last = {k: v[-1] for k, v in row.items() if isinstance(v, list) and v}
                log(row["cycle"], last | {"lr": row["lr"]})
                try:
                    tick()
                except Stopped:
                    if progress.state:
                        _save(file, rows, progress)
                        raise
        self.write(task, rows)
        file.delete()
        return len(rows)

    def loaded(self) -> tuple[Task, Data]:
        """What is trained, with its data on the device."""
        return loaded(self.trial, self.device)

    def write(self, task: Task, rows: list[dict[str, Any]]) -> None:
        """Write the part."""
        configuration = {
            "trial": asdict(self.trial),
            "task": asdict(task),
            "data_fingerprint": self.fingerprint,
            "device": self.device,
        }
        store.write(self.path, store.trial_table(rows, configuration))


def _saved(file: Checkpoint) -> tuple[list[dict[str, Any]], Progress]:
    """The rows of the cycles that were saved, and where the trial goes on."""
    state = file.read()
    if state is None:
        return [], Progress()
    return kept_rows.unpacked(state["rows"]), Progress(state["progress"])


def _save(file: Checkpoint, rows: list[dict[str, Any]], progress: Progress) -> None:
    file.write({"rows": kept_rows.packed(rows, schema.TRIAL), "progress": progress.state})


_task = functools.lru_cache(maxsize=1024)(registry.get)


@functools.lru_cache(maxsize=64)
def load(task: str, scale: str, source: Source, device: str, settings: str = NONE) -> tuple[Task, Data]:
    """A task and its data on ``device``, once per process."""
    found = registry.get(task, scale, settings)
    return found, found.loaded(source).to(device)


def loaded(trial: Trial, device: str) -> tuple[Task, Data]:
    """The task and the data of a trial."""
    return load(trial.task, trial.scale, trial.source, device, trial.settings)
