"""What going back costs: ``python -m benchmarks.rescue [--sizes 1 10 100] [--repeats 5]``.

Times a copy (:meth:`arc.recovery.copies.Copies.take`) and a restore of a net of so many million parameters
under AdamW, and says what share of a call of five seconds a copy is. On a GPU "copy" is what the training
waits for before its next step, "complete" until the values are in host memory.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import nn

from arc.recovery.copies import Copies
from arc.recovery.room import nbytes

WIDTH = 1000
"""Every layer is a square matrix of a million parameters."""
CALL_SECONDS = 5.0


def trained(millions: int, device: str) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A net of so many layers, with AdamW's state as after one step."""
    net = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False, device=device) for _ in range(millions))
    adam = torch.optim.AdamW(net.parameters(), lr=1e-3)
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    adam.step()
    adam.zero_grad(set_to_none=True)
    return net, adam


class Costs(NamedTuple):
    """Seconds of a copy and a restore.

    Attributes:
        first: the first copy, which gets its memory.
        copy: until a later one lets the training go on.
        complete: until its values are in host memory.
        restore: until the values are back.
    """

    first: float
    copy: float
    complete: float
    restore: float


def seconds(
    action: Callable[[], object], device: str, repeats: int, before: Callable[[], object] = lambda: None
) -> float:
    """The median time of an action: CPU time on the host, else wall time with the device's current stream."""
    clock = time.thread_time if device == "cpu" else time.perf_counter  # other work does not count
    taken = []
    for _ in range(repeats):
        before()
        _wait(device)
        began = clock()
        action()
        _wait(device)
        taken.append(clock() - began)
    return statistics.median(taken)


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.current_stream().synchronize()


def costs(copies: Copies, device: str, repeats: int) -> Costs:
    """Of copies that have not been taken yet."""

    def complete() -> None:
        copies.take("good")
        copies.finish()

    return Costs(
        first=seconds(complete, device, 1),
        copy=seconds(lambda: copies.take("good"), device, repeats, copies.finish),
        complete=seconds(complete, device, repeats, copies.finish),
        restore=seconds(lambda: copies.restore("good"), device, repeats, copies.finish),
    )


def rows(sizes: list[int], repeats: int) -> Iterator[str]:
    """One line per device and size."""
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        for millions in sizes:
            net, adam = trained(millions, device)
            found = costs(Copies(adam, net), device, repeats)
            yield (
                f"{device:<6}{millions:>6} M{nbytes(adam, net) / 2**20:>9.0f} MiB{found.first * 1e3:>10.1f}"
                f"{found.copy * 1e3:>9.1f}{found.complete * 1e3:>10.1f}{found.restore * 1e3:>9.1f}"
                f"{found.copy / CALL_SECONDS:>9.2%}"
            )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100], help="millions of parameters")
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; milliseconds, medians", flush=True)
    print(
        f"{'device':<6}{'size':>8}{'copy of':>13}{'first':>10}{'copy':>9}{'complete':>10}{'restore':>9}"
        f"{'of 5 s':>9}"
    )
    for row in rows(asked.sizes, asked.repeats):
        print(row, flush=True)


if __name__ == "__main__":
    main()
