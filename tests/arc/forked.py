"""Ranks of a test as forks of one process."""

import os
import sys
import traceback
from collections.abc import Callable

import torch


def run(world: int, rank: Callable[[int], None]) -> None:
    """Run ``rank(0)`` to ``rank(world - 1)`` side by side, and exit with the number of those that failed."""
    torch.set_num_threads(1)
    children = []
    for number in range(world):
        child = os.fork()  # torch is imported once for all ranks
        if not child:
            try:
                rank(number)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
