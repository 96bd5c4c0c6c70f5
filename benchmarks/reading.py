"""Reading at scale: ``python -m benchmarks.reading make|status|label|pack|train DIRECTORY [--rows 1000000]``.

``make`` writes a synthetic trial set (random losses, ten rows a run, twelve tasks, one part a run, a
step count a row like the mini zoo's) into DIRECTORY/trials. ``status``, ``label`` and ``pack`` do what the
stages do; ``train`` featurises it and fits a candidate to it for some steps. All print seconds and the peak
of the process's own memory: anonymous (what it holds) apart from mapped files (what the system may take back
at any time).
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from data_gen import label, pack, schema, status
from data_gen.label import LabelConfig
from data_gen.pack import PackConfig
from data_gen.status import StatusConfig

TASKS = 12
CYCLES = 10
PATTERNS = 50
"""Runs of a task that differ in more than their id."""
ANY = b"the-run-id-is-it"
"""Sixteen bytes that stand for a run's id."""


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
        "run_id": [ANY.decode()] * CYCLES,
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


def make(directory: str, rows: int) -> None:
    """Write the set: some runs of each task, over and over, each time under an id of its own."""
    per_task = -(-rows // (TASKS * CYCLES))
    for task in tqdm(range(TASKS), desc="make", unit=" tasks", disable=not sys.stderr.isatty()):
        patterns = [_pattern(part(task, run)) for run in range(PATTERNS)]
        folder = Path(directory) / "trials" / f"task=task{task}"
        folder.mkdir(parents=True, exist_ok=True)
        for run in range(per_task):
            name = f"{task:04x}{run:012x}"
            (folder / f"part-{name}.parquet").write_bytes(
                patterns[run % PATTERNS].replace(ANY, name.encode())
            )
    print(f"{TASKS * per_task * CYCLES} rows below {directory}/trials")


def _pattern(table: pa.Table) -> bytes:
    """The file of a run, in which :data:`ANY` can be replaced: its ids are not compressed, and no page has a
    checksum."""
    sink = io.BytesIO()
    compression = {name: "none" if name == "run_id" else "zstd" for name in _leaves(table)}
    pq.write_table(table, sink, compression=compression)
    return sink.getvalue()


def _leaves(table: pa.Table) -> list[str]:
    """The columns as Parquet names them."""
    lists = pa.types.is_list
    return [f"{f.name}.list.element" if lists(f.type) else f.name for f in table.schema]


def peak() -> str:
    """Largest memory of this process, in words."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    kilobytes = {name: int(status[name].split()[0]) for name in ("VmHWM", "RssAnon", "RssFile")}
    return "peak {VmHWM} MB in all; now {RssAnon} MB anonymous, {RssFile} MB of mapped files".format(
        **{name: value // 1000 for name, value in kilobytes.items()}
    )


def train(directory: str, steps: int, *, mapped: bool) -> None:
    """Featurise the samples, split them, and train on random batches of them."""
    import torch  # the other stages do without it

    from arc.network.network import Network
    from training import dataset
    from training.loss import hybrid_loss

    dataset.IN_MEMORY = 0 if mapped else dataset.IN_MEMORY
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
        train(options.directory, options.steps, mapped=options.mapped)
    seconds = f"{time.monotonic() - began:.1f} s, {time.process_time() - used:.1f} s of CPU"
    print(f"{options.stage}: {seconds}; {peak()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
