"""``python -m training.study``: what a set of samples holds, and what can be learnt from it.

Label noise, class balance, baselines against the network, a learning curve and leave-one-task-out scores.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_gen import store
from data_gen.samples import SAMPLE
from tasks.errors import InputError
from tasks.seeding import derive
from tasks.work import cli, places, workers
from tasks.work.executor import Executed, Executor
from training import dataset, fast
from training.baselines import BASELINES, baseline
from training.candidates import load
from training.config import TrainingConfig
from training.dataset import Samples
from training.fit import fit
from training.metrics import measure
from training.study_page import write

NETWORK = "network"
SHARES = (0.125, 0.25, 0.5, 1.0)
"""Parts of the training runs in the learning curve."""


@dataclass(frozen=True, kw_only=True)
class StudyConfig(Executed):
    """Keys of ``configs/training.study.yaml``, where each is explained."""

    samples: str
    out: str
    fits: str
    epochs: int
    lr: float
    precision: str
    holdout: float
    seed: int
    seeds: int

    def __post_init__(self) -> None:
        for name in ("epochs", "seeds"):
            if getattr(self, name) < 1:
                raise InputError(f"got {name}={getattr(self, name)}, need an integer >= 1")
        super().__post_init__()
        self.recipe(0)

    def recipe(self, seed: int) -> TrainingConfig:
        """Corrected labels, which is what the metrics ask for, on the schedule of our own recipe."""
        return TrainingConfig(
            samples=self.samples,
            out=self.fits,
            candidates=1,
            epochs=self.epochs,
            batch_size=128,
            lr=self.lr,
            holdout=self.holdout,
            blank=0.5,
            targets="hard",
            teachers=None,
            binary=0.5,
            precision=self.precision,
            schedule="cosine",
            seed=seed,
            device="cpu",
            workers=self.workers,
        )


@dataclass(frozen=True, kw_only=True)
class FitUnit:
    """One classifier on one choice of samples, its held-out metrics in a JSON file.

    Attributes:
        model: ``network``, or a name of :data:`training.baselines.BASELINES`.
        share: part of the training runs that it sees.
        left_out: a task that it never sees and is judged by; None: judged by held-out runs of all.
        seed: of the network.
    """

    config: StudyConfig
    fingerprint: str
    model: str
    share: float
    left_out: str | None
    seed: int

    @property
    def name(self) -> str:
        """Model, samples and seed."""
        return f"{self.model} on {self.left_out or f'{self.share:.0%}'}, seed {self.seed}"

    @property
    def path(self) -> str:
        """The file that this unit writes; its name is a hash of what decides the fit."""
        decisive = {k: v for k, v in asdict(self).items() if k != "config"}
        decisive |= {k: getattr(self.config, k) for k in ("epochs", "lr", "precision", "holdout")}
        decisive["split_seed"] = self.config.seed
        digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
        return places.join(self.config.fits, f"fit-{digest}.json")

    @property
    def ticks(self) -> int:
        """One for each epoch of a network, one for a baseline."""
        return self.config.epochs if self.model == NETWORK else 1

    def run(self, tick: workers.Tick = lambda: None) -> int:
        """Fit, measure, write."""
        train, held = chosen(load(self.config.samples), self)
        if self.model == NETWORK:
            network, _ = fit(train, held, self.config.recipe(self.seed), seed=self.seed, tick=tick)
            probabilities = fast.answers(network, held.windows, "cpu").double().softmax(1).numpy()
        else:
            probabilities = baseline(self.model, train, held)
            tick()
        found = measure(probabilities, held.labels.numpy(), held.losses.numpy())
        row = {"model": self.model, "share": self.share, "left_out": self.left_out, "seed": self.seed}
        row |= {"samples": len(train), "held": len(held)} | found
        places.write_bytes(self.path, json.dumps(row).encode())
        return 1


def chosen(samples: Samples, unit: FitUnit) -> tuple[Samples, Samples]:
    """Training and held-out samples of a unit; a share takes whole runs."""
    if unit.left_out is not None:
        left: npt.NDArray[np.bool_] = samples.tasks == unit.left_out
        return samples.select(~left), samples.select(left)
    train, held = dataset.split(samples, unit.config.holdout, unit.config.seed)
    runs = sorted(set(train.runs.tolist()))
    rng = np.random.default_rng(derive(unit.config.seed, "share", unit.seed))
    kept = rng.permutation(runs)[: max(1, round(unit.share * len(runs)))]
    mask: npt.NDArray[np.bool_] = np.isin(train.runs, kept)
    return train.select(mask), held


def units(config: StudyConfig, samples: Samples) -> Iterator[FitUnit]:
    """All fits of the study."""
    print_ = samples.fingerprint()
    for seed in range(config.seeds):
        for share in SHARES:
            for model in (NETWORK, *(BASELINES if seed == 0 or share < 1 else ())):
                yield FitUnit(
                    config=config, fingerprint=print_, model=model, share=share, left_out=None, seed=seed
                )
    for task in sorted(set(samples.tasks.tolist())):
        for model in (NETWORK, *BASELINES):
            yield FitUnit(config=config, fingerprint=print_, model=model, share=1.0, left_out=task, seed=0)


def study(config: StudyConfig) -> int:
    """Run the fits that are missing, write the page; the exit code."""
    samples = load(config.samples)
    asked = list(units(config, samples))
    executor = Executor.of(config, device="cpu")
    missing = [unit for unit in executor.share(asked) if not places.exists(unit.path)]
    outcome = executor.run(missing, title="study", unit_name="fits", tick_name="epochs")
    if code := workers.report(outcome, unit_name="fits"):
        return code
    if left := sum(not places.exists(unit.path) for unit in asked):
        print(f"{left} fits are left to other shards; the last one to end writes the page", file=sys.stderr)
        return 0
    fits = pd.DataFrame([json.loads(places.read_bytes(unit.path)) for unit in asked])
    write(config.out, rows(config.samples), fits, asdict(config))
    print(f"written to {config.out}", file=sys.stderr)
    return 0


def rows(samples: str) -> pd.DataFrame:
    """What the samples say of themselves: everything but the histories."""
    columns = [f.name for f in SAMPLE if not str(f.type).startswith("list")]
    tables = [table.select(columns).to_pandas() for _, table in store.read_all(samples, SAMPLE)]
    together: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return together


if __name__ == "__main__":
    sys.exit(cli.main("training.study", StudyConfig, study, logged=False))
