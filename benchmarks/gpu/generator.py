"""Rows an hour of ``data_gen``: branch by branch, branches together, several processes, stacks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import torch

from benchmarks.data_gen import fingerprint, our_seconds, trial_of
from benchmarks.gpu.job import Tell
from data_gen import stacked, trial
from data_gen.trial_settings import Trial
from data_gen.unit import loaded

CYCLES, PERIOD = {"paper": 4, "toy": 2}, {"paper": 2, "toy": 1}
STACKS = {"paper": (64, 256, 512), "toy": (2,)}


def run(tell: Tell, device: str, task: str, scale: str, processes: int) -> None:
    """Mini nets, as the generator trains them, of which a card fits thousands."""
    cycles, period = CYCLES[scale], PERIOD[scale]

    def asked(index: int, mode: str) -> Trial:
        return trial_of(task, index, cycles=cycles, period=period, mode=mode)

    for mode, title in (("sequential", "one branch at a time"), ("together", "branches together")):
        seconds = _cycle(asked(0, mode), device)
        tell(f"{task}, {title}", f"{3600 / seconds:,.0f} rows an hour", rows_an_hour=3600 / seconds)
    if processes > 1:
        found = our_seconds([asked(i, "together") for i in range(processes)], processes, device)
        rows = processes * 3600 / statistics.median(found[task])
        tell(f"{task}, together in {processes} processes", f"{rows:,.0f} rows an hour", rows_an_hour=rows)
    for size in STACKS[scale]:
        trials = [asked(i, stacked.mode(size)) for i in range(size)]
        _stacked(tell, f"{task}, a stack of {size}", trials, device)


def _stacked(tell: Tell, what: str, trials: Sequence[Trial], device: str) -> None:
    """All trials once, with the start and the capture of the graph."""
    task, data = loaded(trials[0], device)
    began = time.perf_counter()
    found = stacked.rows(trials, task, data, fingerprint(trials[0]), device, what)
    made = sum(len(rows) for _, rows in found)
    rows = 3600 * made / (time.perf_counter() - began)
    said, taken = f"{rows:,.0f} rows an hour", None
    if device == "cuda":
        taken = torch.cuda.max_memory_allocated()
        said += f", at most {taken / 2**30:.1f} GiB"
    tell(what, said, rows_an_hour=rows, bytes=taken)


def _cycle(asked: Trial, device: str) -> float:
    """Median seconds of a cycle after the first, which warms up."""
    task, data = loaded(asked, device)
    seconds = []
    began = time.perf_counter()
    for _ in trial.rows(asked, task, data, fingerprint(asked), device):
        now = time.perf_counter()
        seconds.append(now - began)
        began = now
    return statistics.median(seconds[1:] or seconds)
