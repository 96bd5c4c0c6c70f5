"""``python -m training.movement``: sweeps and samples to candidates of the network that sees movement."""

from __future__ import annotations

import functools
import io
import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from arc.network import weights
from arc.network.estimator import Estimator
from data_gen import store
from data_gen.sweep import best
from tasks.errors import InputError
from tasks.seeding import derive
from tasks.work import cli, folders, places, workers
from tasks.work.executor import Executed, Executor
from training import observing
from training.fit_estimator import Recipe, fit
from training.observations import Observations
from training.offline import judged, report
from training.unfinished import NetworkUnit, Unfinished


@dataclass(frozen=True, kw_only=True)
class MovementConfig(Executed):
    """Keys of ``configs/training.movement.yaml``, where each is explained."""

    sweeps: str
    samples: str | None
    without: float
    out: str
    candidates: int
    folds: int
    epochs: int
    lr: float
    actions: float
    seed: int

    def __post_init__(self) -> None:
        if self.candidates < 0 or self.epochs < 1 or self.folds < 0 or self.folds == 1:
            raise InputError(
                f"got candidates={self.candidates}, folds={self.folds}, epochs={self.epochs}; need at least "
                "0, 0 or 2, and 1"
            )
        if not 0 <= self.without <= 1:
            raise InputError(f"got without={self.without}, need a share from 0 to 1")
        super().__post_init__()

    @property
    def recipe(self) -> Recipe:
        """Of every candidate."""
        return Recipe(epochs=self.epochs, lr=self.lr, actions=self.actions)


@dataclass(frozen=True)
class Candidate(NetworkUnit):
    """One candidate: fitted to all tasks, or to all but one fold's, on which it is then judged."""

    config: MovementConfig
    index: int
    fold: int | None = None

    @property
    def name(self) -> str:
        """Its number."""
        return f"candidate {self.index}" if self.fold is None else f"fold {self.fold}"

    @property
    def place(self) -> str:
        """Its directory, or the table of its fold's answers."""
        name = str(self.index) if self.fold is None else f"fold-{self.fold}.parquet"
        return places.join(self.config.out, name)

    @property
    def path(self) -> str:
        """Of a fold the table, of a candidate what is there when its directory is."""
        return self.place if self.fold is not None else super().path

    def run(self, tick: workers.Tick = lambda: None) -> int:
        """Fit it, and write what comes of it; a fit that a killed process has left goes on where it was."""
        data = load(self.config)
        held = np.zeros(len(data), bool)
        if self.fold is not None:
            held = np.isin(data.tasks, held_tasks(data, self.config.folds, self.fold))
        train, seed = data.select(~held), self.config.seed + self.index
        decisive = asdict(self.config.recipe) | {"seed": seed, "observations": train.fingerprint()}
        unfinished = Unfinished(self.path, decisive)
        network = fit(train, self.config.recipe, seed=seed, tick=tick, unfinished=unfinished)
        if self.fold is None:
            self._write(network, data)
        else:
            content = io.BytesIO()
            judged(network, data.select(held)).to_parquet(content, index=False)
            places.write_bytes(self.place, content.getvalue())
        unfinished.done()
        return 1

    def _write(self, network: Estimator, data: Observations) -> None:
        made = asdict(self.config.recipe) | {
            "candidate": self.index,
            "candidate_seed": self.config.seed + self.index,
            "observations": len(data),
            "with_distance": int(np.isfinite(data.distance).sum()),
            "with_movement": int((data.numbers[:, 0] > 0).sum()),
            "runs": len(set(data.runs.tolist())),
            "tasks": sorted(set(data.tasks.tolist())),
            "versions": store.versions(),
        }
        with folders.made(self.place, weights.CONFIG) as folder:
            weights.save(network, folder, made, card(made))


def card(made: dict[str, Any]) -> str:
    """The model card of a candidate."""
    return (
        f"# ARC candidate {made['candidate']} (sees movement)\n\n"
        f"Fitted to {made['observations']} observations of {made['runs']} runs of "
        f"{', '.join(made['tasks'])}; {made['with_distance']} with the distance to the best LR, "
        f"{made['with_movement']} with the movement of the weights. Seed {made['candidate_seed']}, "
        f"{made['epochs']} epochs.\n"
    )


@functools.lru_cache(maxsize=1)
def load(config: MovementConfig) -> Observations:
    """The observations, once per process; of samples without movement only a share, drawn by run."""
    found = [observing.from_sweeps(config.sweeps, best.table(config.sweeps))]
    if config.samples is not None:
        samples = observing.from_samples(config.samples, best.table(config.sweeps))
        draws = {run: derive(config.seed, run, "without") % 1000 / 1000 for run in set(samples.runs.tolist())}
        drawn = np.array([draws[run] < config.without for run in samples.runs.tolist()])
        found.append(samples.select((samples.numbers[:, 0] > 0) | drawn))
    return Observations.joined(found)


def held_tasks(data: Observations, folds: int, fold: int) -> list[str]:
    """The tasks of a fold: every ``folds``-th by name."""
    return sorted(set(data.tasks.tolist()))[fold::folds]


def train(config: MovementConfig) -> int:
    """Fit the candidates and folds that are missing, and report the folds; the exit code."""
    executor = Executor.of(config, device="cpu")
    store.check_writable(config.out)
    units = [Candidate(config, i) for i in range(config.candidates)]
    units += [Candidate(config, 0, fold) for fold in range(config.folds)]
    missing = [unit for unit in executor.share(units) if not unit.there]
    outcome = executor.run(missing, title="training.movement", unit_name="candidates", tick_name="epochs")
    folds = [unit.place for unit in units if unit.fold is not None and unit.there]
    if folds:
        found = pd.concat([pd.read_parquet(io.BytesIO(places.read_bytes(place))) for place in folds])
        summary = report(found)
        said = json.dumps(summary, indent=1)
        places.write_bytes(places.join(config.out, "offline.json"), f"{said}\n".encode())
        print(said)
    return workers.report(outcome, unit_name="candidates")


if __name__ == "__main__":
    sys.exit(cli.main("training.movement", MovementConfig, train))
