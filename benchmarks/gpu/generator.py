"""Rows an hour of ``data_gen``: branch by branch, branches together, and several processes on the card."""

from __future__ import annotations

import statistics
import time

from benchmarks.data_gen import fingerprint, our_seconds, trial_of
from benchmarks.gpu.job import Tell
from data_gen import trial
from data_gen.generate import loaded

CYCLES, PERIOD = {"paper": 4, "toy": 2}, {"paper": 2, "toy": 1}


def run(tell: Tell, device: str, task: str, scale: str, processes: int) -> None:
    """Mini nets, as the generator trains them, of which a card fits thousands."""
    cycles, period = CYCLES[scale], PERIOD[scale]

    def asked(index: int, mode: str) -> trial.Trial:
        return trial_of(task, index, cycles=cycles, period=period, mode=mode)

    for mode, title in (("sequential", "one branch at a time"), ("together", "branches together")):
        seconds = _cycle(asked(0, mode), device)
        tell(f"{task}, {title}", f"{3600 / seconds:,.0f} rows an hour", rows_an_hour=3600 / seconds)
    if processes > 1:
        found = our_seconds([asked(i, "together") for i in range(processes)], processes, device)
        rows = processes * 3600 / statistics.median(found[task])
        tell(f"{task}, together in {processes} processes", f"{rows:,.0f} rows an hour", rows_an_hour=rows)


def _cycle(asked: trial.Trial, device: str) -> float:
    """Median seconds of a cycle after the first, which warms up."""
    task, data = loaded(asked, device)
    seconds = []
    began = time.perf_counter()
    for _ in trial.rows(asked, task, data, fingerprint(asked), device):
        now = time.perf_counter()
        seconds.append(now - began)
        began = now
    return statistics.median(seconds[1:] or seconds)
