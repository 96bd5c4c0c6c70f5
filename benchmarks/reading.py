"""Reading at scale: ``python -m benchmarks.reading make|status|label|pack|train DIRECTORY [--rows 1000000]``.

``make`` writes a synthetic trial set (random losses, ten rows a run, twelve tasks, one part a run, a
step count a row like the mini zoo's) into DIRECTORY/trials; it goes on where it stopped. ``status``,
``label`` and ``pack`` do what the stages do; ``train`` featurises it and fits a candidate to it for some
steps. All print seconds and the peak of the process's own memory: anonymous (what it holds) apart from mapped
files (what the system may take back at any time).
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from arc.network.network import Network
from data_gen import label, pack, schema, status, store
from data_gen.label import LabelConfig
from data_gen.pack import PackConfig
from data_gen.status import StatusConfig
from tasks.work import workers
from training import dataset
from training.loss import hybrid_loss

TASKS = 12
CYCLES = 10
RUNS_PER_UNIT = 500


def part(task: int, run: int) -> pa.Table:
    """The rows of one run: 1 to 10 epochs of 17 steps a period, about 93 steps a row."""
    rng = np.random.default_rng([task, run])
    epochs = int(rng.integers(1, 11))
    lists = {
        "train_loss": 17 * epochs,
        "val_loss": epochs,
        "val_metric": epochs,
        "raise_val_loss": epochs,
        "keep_val_loss": epochs,
        "lower_val_loss": epochs,
    }
    columns = {
        "run_id": [f"{task:04x}{run:012x}"] * CYCLES,
        "task": [f"task{task}"] * CYCLES,
        "scale": ["mini"] * CYCLES,
        "data": ["embedded"] * CYCLES,
        "optimizer": ["adam"] * CYCLES,
        "seed": [0] * CYCLES,
        "lr0": [1e-3] * CYCLES,
        "period": [epochs] * CYCLES,
        "cycle": list(range(CYCLES)),
        "lr": rng.uniform(1e-4, 1e-1, CYCLES).tolist(),
        "chosen": [*rng.choice(["raise", "keep", "lower"], CYCLES - 1).tolist(), None],
        "seconds": [1.0] * CYCLES,
    } | {
        name: pa.FixedSizeListArray.from_arrays(
            pa.array(rng.gamma(4, 0.25, CYCLES * size).astype(np.float32)), size
        ).cast(pa.list_(pa.float32()))
        for name, size in lists.items()
    }
    empty = [None] * CYCLES
    return pa.table([pa.array(columns.get(f.name, empty), f.type) for f in schema.TRIAL], schema=schema.TRIAL)


@dataclass(frozen=True)
class Make:
    """Some hundred runs of one task."""

    directory: str
    task: int
    first: int
    ticks: int

    @property
    def name(self) -> str:
        """Task and first run."""
        return f"task {self.task} from run {self.first}"

    def run(self, tick: workers.Tick) -> int:
        """Write their parts."""
        for run in range(self.first, self.first + self.ticks):
            table = part(self.task, run)
            path = store.part_path(f"{self.directory}/trials", f"task{self.task}", table["run_id"][0].as_py())
            if not store.exists(path):
                store.write(path, table)
            tick()
        return self.ticks * CYCLES


def make(directory: str, rows: int) -> None:
    """Write the set."""
    per_task = -(-rows // (TASKS * CYCLES))
    units = [
        Make(directory, task, first, min(RUNS_PER_UNIT, per_task - first))
        for task in range(TASKS)
        for first in range(0, per_task, RUNS_PER_UNIT)
    ]
    outcome = workers.run_all(units, workers=workers.count("auto"), title="make", unit_name="units")
    print(f"{outcome.rows} rows below {directory}/trials")


def peak() -> str:
    """Largest memory of this process, in words."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    kilobytes = {name: int(status[name].split()[0]) for name in ("VmHWM", "RssAnon", "RssFile")}
    return "peak {VmHWM} MB in all; now {RssAnon} MB anonymous, {RssFile} MB of mapped files".format(
        **{name: value // 1000 for name, value in kilobytes.items()}
    )


def train(directory: str, steps: int) -> None:
    """Featurise the samples, split them, and train on random batches of them."""
    began = time.process_time()
    samples = dataset.load(f"{directory}/samples")
    loaded = time.process_time()
    fitted, _ = dataset.split(samples, 0.15, 0)
    split = time.process_time()
    print(f"{len(samples)} windows in {loaded - began:.1f} s of CPU, split in {split - loaded:.1f}; {peak()}")
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)
    generator = torch.Generator().manual_seed(0)
    batches = torch.randperm(len(fitted), generator=generator).split(128)[:steps]
    began = time.process_time()
    for rows in batches:
        optimizer.zero_grad(set_to_none=True)
        hybrid_loss(network(fitted.windows[rows]), fitted.soft[rows]).backward()
        optimizer.step()
    seconds = (time.process_time() - began) / max(1, sum(map(len, batches)))
    print(f"{len(batches)} random batches of 128: {1e3 * seconds:.2f} ms of CPU a sample; {peak()}")


def main() -> int:
    """Run the stage that is asked for and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("make", "status", "label", "pack", "train"))
    parser.add_argument("directory")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--mapped", action="store_true", help="windows in a file, however few they are")
    parser.add_argument("--steps", type=int, default=200, help="training steps measured")
    options = parser.parse_args()
    began, used = time.monotonic(), time.process_time()
    if options.stage == "make":
        make(options.directory, options.rows)
    elif options.stage == "status":
        config = StatusConfig(
            out=f"{options.directory}/trials", task=None, runs=None, seed=0, labels=False, verify=False
        )
        status.status(config)
    elif options.stage == "pack":
        trials, packs = f"{options.directory}/trials", f"{options.directory}/packs"
        pack.pack(PackConfig(trials=trials, out=packs, command="python -m benchmarks.reading make"))
    elif options.stage == "label":
        trials, samples = f"{options.directory}/trials", f"{options.directory}/samples"
        label.label(LabelConfig(trials=trials, out=samples, correction="rerun"))
    else:
        dataset.IN_MEMORY = 0 if options.mapped else dataset.IN_MEMORY
        train(options.directory, options.steps)
    seconds = f"{time.monotonic() - began:.1f} s, {time.process_time() - used:.1f} s of CPU"
    print(f"{options.stage}: {seconds}; {peak()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
