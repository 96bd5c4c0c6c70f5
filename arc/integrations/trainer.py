"""An :class:`arc.Scheduler` in a Hugging Face ``Trainer``, which tells it nothing: the callback joins it."""

from __future__ import annotations

from typing import Any

from arc.integrations.plan import running


def join(scheduler: Any) -> None:
    """Add the callback that shows the training losses to an :class:`arc.Scheduler`, if a Trainer drives it.

    Raises:
        ValueError: the Trainer will never step it, or does not say with which metric.
    """
    trainer = running()
    if trainer is None or trainer.lr_scheduler is not scheduler:
        return
    from arc.integrations.transformers import ARCCallback

    args, handler = trainer.args, trainer.callback_handler
    if getattr(args.eval_strategy, "value", args.eval_strategy) == "no":
        raise ValueError(
            "got eval_strategy='no', with which the Trainer never steps an arc.Scheduler: write "
            "TrainingArguments(eval_strategy='epoch', metric_for_best_model='loss'), or take "
            "callbacks=[ARCCallback()] in place of the scheduler"
        )
    if args.metric_for_best_model is None:
        raise ValueError(
            "got metric_for_best_model=None, and the Trainer steps an arc.Scheduler with that metric: write "
            "TrainingArguments(metric_for_best_model='loss')"
        )
    callback = next((one for one in handler.callbacks if isinstance(one, ARCCallback)), None)
    if callback is None:
        callback = ARCCallback()
        handler.add_callback(callback)
        callback.on_train_begin(
            args,
            trainer.state,
            trainer.control,
            model=handler.model,
            optimizer=handler.optimizer,
            lr_scheduler=scheduler,
        )
    scheduler.where = lambda: callback.where(trainer.args, trainer.state)
