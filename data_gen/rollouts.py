"""How a run would end: the rest of it at a few constant LRs, with the final anneal.

The branches of a trial tell what is best for the next period; with noise, lower always looks better soon.
A roll-out tells which LR is best for all that is left.
"""

from __future__ import annotations

import math
from typing import Final

from tasks.loop import TaskRun

FACTORS: Final = (0.1, 10**-0.5, 1.0, 10**0.5, 10.0)
"""Of the trunk's LR: five LRs over two decades."""
ANNEAL: Final = 0.3
"""Share of the epochs that are left over which the LR falls linearly towards 0."""


def finish(run: TaskRun, epochs: int) -> float:
    """Train ``epochs`` more at the LR that is set, annealed at the end; the last validation loss.

    Returns:
        NaN where the training diverged.
    """
    lr = run.lr
    falling = max(1, round(ANNEAL * epochs))
    for left in range(epochs, 0, -1):
        run.set_lr(lr * min(1.0, left / (falling + 1)))
        if not all(map(math.isfinite, run.train(run.steps_per_epoch))):
            return math.nan
    loss = run.evaluate("val", metric=False).loss
    return loss if math.isfinite(loss) else math.nan
