"""What a framework tells: calls of the controller to come, a schedule that decays, the Trainer that runs."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final

from torch.optim.lr_scheduler import LambdaLR

from arc.optimizers.schedulers import falling

ENDLESS: Final = 10**9
"""Calls beyond which a training has no end: frameworks write "unknown" as a huge number or infinity."""


def known(calls: float) -> int | None:
    """A number of calls as the controller wants it: a whole one, or None where there is no end in sight."""
    if not 0 < calls < ENDLESS:  # NaN, infinity, 0 or a stand-in for them
        return None
    return math.ceil(calls)


def every(total: float, interval: float, delay: float = 0) -> float:
    """Evaluations in ``total`` steps, one after every ``interval`` of them; an incomplete interval counts.

    Args:
        total: steps (or epochs) of the training.
        interval: of them from one evaluation to the next.
        delay: no evaluation before it.

    Example:
        >>> every(1000, 300), every(1000, 300, delay=600), every(90, 300)
        (4, 3, 1)
    """
    if not math.isfinite(total) or interval <= 0:
        return math.inf
    first = max(1, math.ceil(delay / interval))
    return max(0, math.ceil(total / interval) - first + 1)


def of_transformers(args: Any, state: Any) -> int | None:
    """Calls of a Hugging Face ``Trainer``: its evaluations, or its epochs where it has none."""
    if args.eval_strategy == "steps":
        return known(every(state.max_steps, state.eval_steps, args.eval_delay))
    delay = args.eval_delay if args.eval_strategy == "epoch" else 0
    return known(every(state.num_train_epochs, 1, delay))


def of_lightning(trainer: Any, on: str) -> int | None:
    """Calls of a Lightning ``Trainer``: its epochs, or its validations with ``on="validation"``."""
    total, batches = _batches(trainer), trainer.num_training_batches
    if on == "epoch":
        return known(math.ceil(total / batches)) if math.isfinite(total) else None
    check, epochs = trainer.val_check_batch, trainer.check_val_every_n_epoch
    if check is None or not math.isfinite(total):  # validations by the clock, or no end
        return None
    if epochs is None:
        return known(total // check)
    whole, rest = divmod(total, batches)
    validations = whole // epochs * max(1, batches // check)
    if (whole + 1) % epochs == 0:  # an epoch that is cut short
        validations += rest // check
    return known(validations)


def _batches(trainer: Any) -> float:
    """Batches of the whole training; infinity where nothing tells."""
    batches, steps = float(trainer.num_training_batches), trainer.max_steps
    total = math.inf if trainer.max_epochs in (None, -1) else trainer.max_epochs * batches
    if steps in (None, -1) or not trainer.lightning_module.automatic_optimization:
        return total  # manual optimization: Lightning counts the steps of all optimizers together
    accumulated = trainer.accumulate_grad_batches
    if math.isinf(batches):
        return float(steps * accumulated)
    epochs, rest = divmod(steps, math.ceil(batches / accumulated))
    return float(min(total, epochs * batches + rest * accumulated))


def decays(scheduler: Any, steps: int) -> bool:
    """Whether a schedule (all of Hugging Face's are ``LambdaLR``) ends below half of its highest LR."""
    if not isinstance(scheduler, LambdaLR):
        return False
    factors = [float(scheduler.lr_lambdas[0](round(steps * i / 20))) for i in range(21)]
    return factors[-1] < max(factors) / 2


def tell_of_decay(scheduler: Any, args: Any, state: Any) -> None:
    """Warn of a Trainer's schedule that :func:`decays`."""
    if decays(scheduler, state.max_steps):
        kind = getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)
        warnings.warn(
            f"the Trainer's scheduler (lr_scheduler_type={kind!r}) lets the LR fall to the end of the "
            "training whatever ARC decides: write TrainingArguments(lr_scheduler_type='constant')",
            stacklevel=3,
        )


def tell_of_schedules(trainer: Any, schedulers: Sequence[Any]) -> None:
    """Warn of those of a Lightning module's schedules that fall to the end of the training."""
    for config in trainer.lr_scheduler_configs:
        steps = trainer.max_epochs if config.interval == "epoch" else trainer.estimated_stepping_batches
        kinds = falling([config.scheduler])
        if not kinds and 0 < (steps or 0) < ENDLESS and decays(config.scheduler, int(steps)):
            kinds = [type(config.scheduler).__name__]
        if kinds and config.scheduler in schedulers:
            warnings.warn(
                f"the module's {', '.join(kinds)} lets the LR fall to the end of the training whatever ARC "
                "decides: leave it out of configure_optimizers, the callback lets the LR fall at the end by "
                "itself",
                stacklevel=3,
            )


def running() -> Any:
    """The innermost Hugging Face Trainer on the stack: what it calls is not told who calls.

    None outside of one, and where transformers was never imported.
    """
    kind = getattr(sys.modules.get("transformers.trainer"), "Trainer", None)
    if kind is None:
        return None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, kind):
            return owner
        frame = frame.f_back
    return None
