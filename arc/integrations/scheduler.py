"""The controller where a scheduler is expected."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from arc.controller import Controller
from arc.history.losses import Loss
from arc.integrations.build import allowed
from arc.integrations.trainer import join
from arc.notices import say, wanted
from arc.tensors import number


class Scheduler(ReduceLROnPlateau):
    """Drives the LR from where a ``ReduceLROnPlateau`` would be stepped; it is one by type.

    It goes wherever that one goes: ``Trainer(optimizers=(optimizer, scheduler))`` of Hugging Face (with an
    ``eval_strategy``, and with ``metric_for_best_model="loss"``, which says what to step it with), the
    dictionary of Lightning's ``configure_optimizers`` (with ``monitor="val_loss"``),
    ``accelerator.prepare``, a loop of one's own. Step it once per evaluation, with the validation loss.

    Training losses tell the controller more than the validation loss alone. They are taken from

    - ``record(loss)`` after an optimizer step, or ``step(val_loss, train_loss=...)`` with a mean;
    - the closure of ``optimizer.step(closure)``, which is how Lightning trains (but not with a GradScaler);
    - the framework's ``ARCCallback()``, without settings, beside the scheduler. In a Hugging Face Trainer
      it adds itself, at the optimizer's first step.

    Without any, the validation loss of a call stands for its training loss, too: both channels of the
    network see the same curve. A single one that is not finite is left out, two in a row are a broken run.

    Args:
        optimizer: a torch optimizer, in Accelerate's wrapper or not.
        settings: those of :class:`arc.Controller`; ``total_calls`` is the number of evaluations, and
            ``verbose`` is True.

    Attributes:
        controller: has the decisions, ``plot()`` and the rest.
        where: gives the place in the training that a decision's line begins with; None: the call.

    Raises:
        TypeError, ValueError: a value that cannot be used, or a Trainer that would never step it; the
            message shows it and the remedy.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(1))
        >>> optimizer = torch.optim.SGD([weight], lr=0.1)
        >>> scheduler = Scheduler(optimizer, period=1)
        >>> scheduler.step(0.7, train_loss=0.6)
        >>> scheduler.get_last_lr() == [optimizer.param_groups[0]["lr"]]
        True
    """

    def __init__(self, optimizer: torch.optim.Optimizer, **settings: Any) -> None:
        optimizer = getattr(optimizer, "optimizer", optimizer)  # Accelerate's wrapper
        super().__init__(optimizer)
        allowed(self, settings)
        self.controller = Controller(optimizer, **{**settings, "verbose": False})
        self.where: Callable[[], str] | None = None
        self._says = wanted(settings.get("verbose", True))
        self._joined = False
        self._step_count = 0  # Accelerate counts here
        self._recorded = False
        self._stepped = 0  # steps of the optimizer since the last call
        self._last = math.inf
        optimizer.register_step_pre_hook(self._see)

    def _see(self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Note a step of the optimizer, and look at what its closure returns."""
        self._stepped += 1
        if not self._joined:
            self._joined = True
            join(self)
        closure = kwargs["closure"] if "closure" in kwargs else args[1] if len(args) > 1 else None
        if closure is None:  # args[0] is the optimizer
            return None
        losses: list[Any] = []

        def watched() -> Any:
            loss = closure()
            if not losses and loss is not None:  # the first: others belong to trial points of the same step
                losses.append(loss)
                self.record(loss)
            return loss

        return args[:1], {**kwargs, "closure": watched}

    def record(self, loss: Loss) -> None:
        """Add the training loss of one optimizer step, as :meth:`arc.Controller.record` does."""
        self.controller.record(loss.detach() if isinstance(loss, Tensor) else loss)
        self._recorded = True

    def step(  # type: ignore[override]
        self,
        metrics: float | Tensor | None = None,
        epoch: int | None = None,
        *,
        train_loss: Loss | None = None,
    ) -> None:
        """End an evaluation interval; the controller decides when its period is over.

        The same metric again, without a step of the optimizer in between, is the same call again and is
        left out: Accelerate makes it once per process.

        Args:
            metrics: the validation loss (lower is better); None where there is none.
            epoch: torch's old argument, left unused.
            train_loss: mean training loss since the last call.

        Raises:
            RuntimeError: neither a metric nor a loss since the last call.
            TypeError: no number; timm's order of arguments.
        """
        if epoch is not None and not isinstance(epoch, int):
            raise TypeError(
                f"got step({metrics!r}, {epoch!r}), need step(val_loss): the epoch is not asked for"
            )
        value = None if metrics is None else number(metrics, "metrics")
        if value is not None and not self._stepped and _same(value, self._last):
            return
        if train_loss is not None:
            self.record(train_loss)
        if not self._recorded:
            if value is None:
                raise RuntimeError(
                    "step() without a loss: write scheduler.step(val_loss) once per evaluation, not after "
                    "every batch; without validation record(loss) after every step of the optimizer"
                )
            once = math.isfinite(self._last) and not math.isfinite(value)  # a run that is broken stays it
            self.record(self._last if once else value)
        decision = self.controller.step(val_loss=value, steps=self._stepped or None)
        if decision is not None and self._says:
            say(decision.line(self.where and self.where()))
        self._recorded, self._stepped = False, 0
        if value is not None:
            self._last = value
        self.last_epoch += 1

    def get_last_lr(self) -> list[float]:  # type: ignore[override]
        """The LR of every parameter group."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Plain types and tensors, the controller's state among them."""
        return {
            "controller": self.controller.state_dict(),
            "last": self._last,
            "last_epoch": self.last_epoch,
            "recorded": self._recorded,
            "stepped": self._stepped,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict` (ValueError for the state of another scheduler)."""
        if "controller" not in state_dict:
            raise ValueError(
                f"got a state with {', '.join(map(str, state_dict)) or 'nothing'}, need one of arc.Scheduler"
            )
        self.controller.load_state_dict(state_dict["controller"])
        self._last = float(state_dict["last"])
        self.last_epoch = int(state_dict["last_epoch"])
        self._recorded, self._stepped = bool(state_dict["recorded"]), int(state_dict["stepped"])


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
