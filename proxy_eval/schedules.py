"""The fixed schedules of the comparison, on torch's own classes, and the two that watch the loss."""

from __future__ import annotations

from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim import lr_scheduler as torch_schedulers

from arc.methods.method import Method
from arc.methods.run import Run, get_lr
from arc.methods.schedule import Constant, Schedule

WARM_UP = 0.1
"""Part of the run that warms up."""
GAMMA = 0.9
"""Per epoch (ARC's CIFAR-10 and COCO runs)."""
SANE_FACTOR = 1000.0
"""GreedyLR's sane bounds: the initial LR divided and multiplied by it."""


def constant(run: Run, steps: int) -> Method:
    """The initial LR."""
    return Constant()


def cosine(run: Run, steps: int) -> Method:
    """Half a cosine from the initial LR to 0."""
    return Schedule(scheduler=lambda o, n, _: torch_schedulers.CosineAnnealingLR(o, n))


def cyclic_cosine(run: Run, steps: int, *, cycles: int = 2) -> Method:
    """Cosines with warm restarts, each twice as long as the one before; two, or ARC's three on PTB [code]."""
    parts = 2**cycles - 1
    return Schedule(
        scheduler=lambda o, n, _: torch_schedulers.CosineAnnealingWarmRestarts(
            o, max(1, n // parts), T_mult=2
        )
    )


def exponential(run: Run, steps: int, *, gamma: float = GAMMA) -> Method:
    """Times ``gamma`` per epoch."""
    return Schedule(scheduler=lambda o, *_: torch_schedulers.ExponentialLR(o, gamma), per_epoch=True)


def linear(run: Run, steps: int) -> Method:
    """A straight line to 0."""
    return _shaped(lambda p: 1 - p)


def warmup_cosine(run: Run, steps: int, *, warmup: float = WARM_UP) -> Method:
    """Up in a straight line for a part of the run, then half a cosine to 0."""

    def scheduler(optimizer: Optimizer, steps: int, _: int) -> torch_schedulers.LRScheduler:
        up = max(1, round(warmup * steps))
        return torch_schedulers.SequentialLR(
            optimizer,
            [
                torch_schedulers.LinearLR(optimizer, 1 / (up + 1), total_iters=up),
                torch_schedulers.CosineAnnealingLR(optimizer, max(1, steps - up)),
            ],
            [up],
        )

    return Schedule(scheduler=scheduler)


def warmup_stable_decay(run: Run, steps: int) -> Method:
    """10 % up, 70 % flat, 20 % down to 0."""
    return _shaped(lambda p: min(p / WARM_UP, 1.0, (1 - p) / 0.2))


def trapezoid(run: Run, steps: int) -> Method:
    """10 % up, 80 % flat, 10 % down to 0 (Xing et al., 2018)."""
    return _shaped(lambda p: min(p / WARM_UP, 1.0, (1 - p) / 0.1))


def plateau(run: Run, steps: int) -> Method:
    """torch's ReduceLROnPlateau with its defaults, on the validation loss of each epoch."""
    return Schedule(
        scheduler=lambda o, *_: torch_schedulers.ReduceLROnPlateau(o), per_epoch=True, watches=True
    )


def plateau_keras(run: Run, steps: int) -> Method:
    """Keras' ReduceLROnPlateau with its defaults (3.15): factor 0.1 after 10 epochs without 1e-4 less.

    The improvement is absolute there and relative in torch, which also waits for one epoch more and leaves
    LRs below 1e-8 alone.
    """

    def scheduler(optimizer: Optimizer, *_: int) -> object:
        return torch_schedulers.ReduceLROnPlateau(
            optimizer, factor=0.1, patience=9, threshold=1e-4, threshold_mode="abs", eps=0.0
        )

    return Schedule(scheduler=scheduler, per_epoch=True, watches=True)


def greedy(run: Run, steps: int, *, sane: bool = False, patience: int = 10) -> Method:
    """GreedyLR of transformers on the validation loss of each epoch.

    Its default bounds are 1e-3 and 1, whatever the initial LR; sane ones lie three decades around it. Its
    default patience lets it move every eleventh epoch at most.
    """
    lr = get_lr(run.optimizer)
    low, high = (lr / SANE_FACTOR, lr * SANE_FACTOR) if sane else (1e-3, 1.0)

    def scheduler(optimizer: Optimizer, *_: int) -> object:
        from transformers.optimization import GreedyLR

        return GreedyLR(optimizer, patience=patience, min_lr=low, max_lr=high)

    return Schedule(scheduler=scheduler, per_epoch=True, watches=True)


def _shaped(factor: Callable[[float], float]) -> Method:
    """The initial LR times ``factor(progress)``, progress taken in the middle of each step."""

    def scheduler(optimizer: Optimizer, steps: int, _: int) -> torch_schedulers.LRScheduler:
        return torch_schedulers.LambdaLR(optimizer, lambda step: factor((step + 0.5) / steps))

    return Schedule(scheduler=scheduler)
