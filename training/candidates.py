"""The stage: candidates side by side in processes, one directory each."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from arc.network import weights
from arc.network.network import Network
from data_gen import store
from tasks.errors import InputError
from tasks.work import board, folders, places, workers
from tasks.work.executor import Executor
from training import dataset
from training.config import TrainingConfig
from training.dataset import Samples
from training.fit import fit
from training.unfinished import NetworkUnit, Unfinished


@dataclass(frozen=True)
class CandidateUnit(NetworkUnit):
    """One candidate, from the samples to its directory."""

    config: TrainingConfig
    index: int
    device: str

    @property
    def name(self) -> str:
        """Its number."""
        return f"candidate {self.index}"

    @property
    def place(self) -> str:
        """Its directory."""
        return places.join(self.config.out, str(self.index))

    def run(self, tick: workers.Tick = lambda: None) -> int:
        """Fit it and write its directory: network, config, card and history.

        A fit that a killed process has left goes on after the last epoch that was saved.
        """
        config = self.config
        samples = load(config.samples)
        train, held = dataset.split(samples, config.holdout, config.seed)
        seed = config.seed + self.index
        shown = config.recipe() | {"candidate_seed": seed}
        with board.writing(
            config.tensorboard, f"candidate_{self.index}", shown, ("val_loss", "accuracy")
        ) as log:
            unfinished = Unfinished(self.path, shown | {"samples": samples.fingerprint()})
            network, history = fit(
                train,
                held,
                config,
                seed=seed,
                device=self.device,
                tick=tick,
                log=log,
                unfinished=unfinished,
            )
        made = config.recipe() | {
            "candidate": self.index,
            "candidate_seed": seed,
            "samples": samples.fingerprint(),
            "training_samples": len(train),
            "held_out_samples": len(held),
            "tasks": sorted(set(samples.tasks.tolist())),
            "runs": len(set(samples.runs.tolist())),
            "versions": store.versions(),
            "metrics": history[-1],
        }
        self._write(network, made, history)
        unfinished.done()
        return 1

    def _write(self, network: Network, made: dict[str, Any], history: list[dict[str, Any]]) -> None:
        """Write the directory, whole or not at all."""
        with folders.made(self.place, weights.CONFIG) as folder:
            weights.save(network, folder, made, card(made))
            pd.DataFrame(history).to_parquet(folder / "history.parquet", index=False)


@functools.lru_cache(maxsize=1)
def load(samples: str) -> Samples:
    """The samples, featurised once per process."""
    return dataset.load(samples)


def card(made: dict[str, Any]) -> str:
    """The model card of a candidate."""
    metrics = made["metrics"]
    numbers = ", ".join(
        f"{k} {metrics[k]:.3f}"
        for k in ("accuracy", "mcc", "weighted_accuracy", "regret", "calibration_error")
    )
    return (
        f"# ARC candidate {made['candidate']}\n\n"
        f"Fitted to {made['training_samples']} samples of {made['runs']} runs of {', '.join(made['tasks'])}; "
        f"seed {made['candidate_seed']}, {made['epochs']} epochs.\n\n"
        f"On {made['held_out_samples']} samples of held-out runs: {numbers}. These numbers do not predict "
        "how well a controller drives a training (paper, appendix A.1); the proxy task does.\n"
    )


def train(config: TrainingConfig) -> int:
    """Fit the candidates that are missing; the exit code."""
    board.check(config.tensorboard)
    executor = Executor.of(config)
    device = executor.where()
    executor.cards(1)  # a bad number of workers is said before the samples are read
    samples = load(config.samples)
    dataset.split(samples, config.holdout, config.seed)
    units = [CandidateUnit(config, i, device) for i in range(config.candidates)]
    for unit in units:
        _check_same_recipe(unit, samples.fingerprint())
    missing = [unit for unit in executor.share(units) if not unit.there]
    store.check_writable(config.out)
    outcome = executor.run(missing, title="training", unit_name="candidates", tick_name="epochs")
    print(table(units))
    return workers.report(outcome, unit_name="candidates")


def table(units: list[CandidateUnit]) -> str:
    """The candidates' final metrics, aligned."""
    names = ("accuracy", "mcc", "weighted_accuracy", "regret", "calibration_error")
    heads = ("accuracy", "mcc", "w. acc.", "regret", "calib. err.")
    lines = [f"{'candidate':>9}{'loss':>9}" + "".join(f"{head:>12}" for head in heads)]
    for unit in units:
        if unit.there:
            metrics = weights.read_config(folders.here(unit.place))["config"]["metrics"]
            values = "".join(f"{metrics[n]:>12.3f}" for n in names)
            lines.append(f"{unit.index:>9}{metrics['val_loss']:>9.3f}{values}")
    return "\n".join(lines)


def _check_same_recipe(unit: CandidateUnit, fingerprint: str) -> None:
    """InputError where a candidate of other samples or settings lies in the unit's place."""
    if not unit.there:
        return
    found = weights.read_config(folders.here(unit.place))["config"]
    asked = unit.config.recipe() | {"samples": fingerprint}
    differing = [key for key, value in asked.items() if found.get(key) != value]
    if differing:
        detail = json.dumps({k: [found.get(k), asked[k]] for k in differing})
        raise InputError(
            f"{unit.place} holds a candidate of another recipe (there, asked: {detail}); "
            "choose another out=, or delete it"
        )
