"""What fitting all candidates costs: ``python -m benchmarks.training``; exits with 1 above the bound.

The stage as it is, one candidate on every core at once, against the obvious loop: one process, torch's
default threads, a DataLoader, the network's own forward pass, ``loss.item()`` in every step and the
metrics after every epoch. Both take a few epochs of made-up samples of the real shape; the minutes are
those epochs' seconds times what a full training has of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch.utils.data import DataLoader, TensorDataset

from arc.network.network import Network
from data_gen import store
from data_gen.samples import SAMPLE
from tasks.work import cli
from training import candidates, dataset
from training.config import TrainingConfig
from training.dataset import Samples
from training.fit import EVALUATE_EVERY, blanked
from training.loss import hybrid_loss
from training.metrics import measure
from training.targets import hard

CYCLES = 10
BOUND = 60.0
"""Minutes that 10 candidates x 300 epochs on 5,000 samples may take on 2 cores."""


def write_samples(folder: Path, count: int) -> None:
    """Samples of one task, ten a run, with losses that say nothing."""
    rng = np.random.default_rng(0)
    rows = [
        dict.fromkeys(SAMPLE.names)
        | {"run_id": f"run {i // CYCLES}", "task": "a", "cycle": i % CYCLES, "lr": 0.1}
        | {"train_loss": rng.normal(size=50), "val_loss": rng.normal(size=5)}
        | {"label": ("raise", "keep", "lower")[rng.integers(3)]}
        for i in range(count)
    ]
    store.write(str(folder / "samples/task=a/samples.parquet"), pa.Table.from_pylist(rows, schema=SAMPLE))


def config(folder: Path, **changes: object) -> TrainingConfig:
    """The paper's recipe for these samples."""
    fixed = {"experiment": "paper_training", "samples": folder / "samples", "device": "cpu"} | changes
    return cli.parse("training", TrainingConfig, [f"{k}={v}" for k, v in fixed.items()])


def stage_seconds(folder: Path, cores: int, epochs: int) -> float:
    """Wall time of the stage with one candidate for each core."""
    began = time.perf_counter()
    out = folder / f"candidates of {epochs} epochs"
    candidates.train(config(folder, out=f"'{out}'", candidates=cores, epochs=epochs, workers=cores))
    return time.perf_counter() - began


def obvious_epochs(train: Samples, held: Samples, recipe: TrainingConfig, epochs: int) -> list[float]:
    """Seconds of each epoch of the obvious loop."""
    network, generator = Network(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.lr)
    loader = DataLoader(TensorDataset(train.windows, train.labels), recipe.batch_size, shuffle=True)
    seconds = []
    for _ in range(epochs):
        began = time.perf_counter()
        network.train()
        total = 0.0
        for windows, labels in loader:
            optimizer.zero_grad()
            seen = torch.rand(len(windows), generator=generator) >= recipe.blank
            loss = hybrid_loss(network(blanked(windows, seen)), hard(labels))
            loss.backward()
            optimizer.step()
            total += loss.item()
        network.eval()
        with torch.no_grad():
            blank = held.windows.clone()
            blank[:, :, 1] = 0
            for windows in (held.windows, blank):
                measure(
                    network(windows).double().softmax(1).numpy(), held.labels.numpy(), held.losses.numpy()
                )
        seconds.append(time.perf_counter() - began)
    return seconds


def main() -> int:
    """Measure both, print minutes and ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--looks", type=int, default=1, help="times five epochs, with one evaluation each")
    options = parser.parse_args()
    epochs = options.looks * EVALUATE_EVERY
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_samples(folder, options.samples)
        recipe = config(folder, out=folder / "none")
        train, held = dataset.split(candidates.load(recipe.samples), recipe.holdout, recipe.seed)
        short = stage_seconds(folder, cores, 1)
        obvious = obvious_epochs(train, held, recipe, epochs + 1)[1:]
        ours = (stage_seconds(folder, cores, 1 + epochs) - short) / epochs
    start = short - ours
    rounds = -(-recipe.candidates // cores)
    minutes = rounds * (start + recipe.epochs * ours) / 60
    obvious_epoch = sum(obvious) / len(obvious)
    obvious_minutes = recipe.candidates * recipe.epochs * obvious_epoch / 60
    print(f"\n{platform.processor() or platform.machine()}, {cores} cores, torch {torch.__version__}")
    print(f"{len(train)} training and {len(held)} held-out samples, {recipe.candidates} candidates, ", end="")
    print(f"{recipe.epochs} epochs")
    print(f"{'':<14}{'s an epoch':>12}{'minutes':>10}")
    print(f"{'obvious loop':<14}{obvious_epoch:>12.2f}{obvious_minutes:>10.1f}")
    print(f"{'the stage':<14}{ours:>12.2f}{minutes:>10.1f}   ({cores} candidates at once)")
    print(f"ratio {obvious_minutes / minutes:.2f}; bound {BOUND:.0f} minutes")
    return int(minutes > BOUND)


if __name__ == "__main__":
    sys.exit(main())
