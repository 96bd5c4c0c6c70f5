"""What a user is told while a run goes on: warnings, each once with its remedy, and decisions in a line."""

from __future__ import annotations

import math
import sys
import warnings
from typing import Any, Final

import torch.distributed as dist

from arc.decision import RecoveryWarning
from arc.history.course import Call
from arc.optimizers.handle import Optimizers
from arc.settings import Settings

SINGLE: Final = 10
"""Calls in a row of one step each that are no accident; below ten steps at an LR nothing is told of it."""


class Notices:
    """Gives each warning once in a run, and points at the user's call of ``step()``.

    Attributes:
        told: keys of those that were given; part of a controller's state.
    """

    def __init__(self) -> None:
        self.told: set[str] = set()
        self._still = 0  # calls in a row
        self._single = 0  # likewise
        self._looked = False  # for another optimizer

    def losses(self, call: int, bad: float, val_loss: float | None) -> None:
        """Losses that are not finite, where that is no reason to go back.

        Args:
            call: its number.
            bad: share of the training losses that is not finite.
            val_loss: the validation loss, if there is one.
        """
        if bad and bad <= 0.5:
            what = "some training losses are not finite; they are left out while the weights are"
            self._tell(call, what, what)
        if val_loss is not None and not math.isfinite(val_loss):
            what = "a validation loss is not finite; it is left out"
            if not bad:
                what += (
                    ". All training losses are: a batch norm's running statistics may hold what a batch that "
                    "was not finite has left there"
                )
            self._tell(call, what, "val_loss")

    def no_copies(self, call: int) -> None:
        """Ranks go back together or not at all."""
        what = (
            "another rank keeps no state to go back to, for want of memory or since it was asked not to: ARC "
            "guards the LR alone on all ranks; rollback=True on all of them keeps states everywhere"
        )
        self._tell(call, what, "no copies")

    def course(self, call: Call, optimizers: Optimizers) -> None:
        """A loop that does not do with the optimizer what the controller takes for granted.

        Args:
            call: that ends now, with the movement of the weights.
            optimizers: the controller's.
        """
        stepped = optimizers.steps.taken()
        if call.moved is None or not call.lr:
            return
        moved = call.moved.step != 0
        still = not moved and (stepped or optimizers.gradients)  # or nothing trains here: losses alone
        self._still = self._still + 1 if still else 0
        self._single = self._single + 1 if moved and call.steps == 1 else 0
        if self._still == 2:
            what = (
                "the weights of ARC's optimizer have not moved for two calls: its step() is left out, or "
                "other ones train; make the optimizer of the model as it trains (moved, wrapped, "
                "sharded, loaded), and the controller after it"
            )
            self._tell(call.epoch, what, "still")
        if self._single == SINGLE:
            what = (
                f"the last {SINGLE} calls of step() were one optimizer step each: call it once per epoch or "
                "evaluation, not after every batch; where the one loss is a mean over more, say so: "
                "step(val_loss, steps=...)"
            )
            self._tell(call.epoch, what, "single steps")
        if stepped or not moved or self._looked:
            return
        self._looked = True
        if optimizers.replaced():
            what = (
                "ARC's optimizer was not stepped in this call, and another one holds its parameters: the LR "
                "that trains is not ARC's; make a new controller with a new optimizer"
            )
            self._tell(call.epoch, what, "replaced")

    def begin(self, call: int, optimizers: Optimizers, settings: Settings) -> None:
        """What is wrong with a call before anything is looked at."""
        self._foreign_writes(call, optimizers)
        if settings.passed(call):
            self._past_the_end(call, settings)

    def _foreign_writes(self, call: int, optimizers: Optimizers) -> None:
        """An LR that the user's own loop sets undoes every decision."""
        for group, expected, found in optimizers.foreign():
            if found and expected:  # 0 freezes a group, and is no schedule
                first = "an optimizer's state that was loaded needs the controller's beside it; "
                loaded = first if call == 1 else ""
                what = (
                    f"the LR of parameter group {group} was set to {found:.3g} where ARC had left "
                    f'{expected:.3g}: {loaded}a loop that sets group["lr"] undoes every decision; remove it, '
                    "or give the schedule to ARC as a torch scheduler (scheduler=...)"
                )
                self._tell(call, what, "foreign write", 6)

    def _past_the_end(self, call: int, settings: Settings) -> None:
        """The training goes on past ``total_calls``; the anneal's LR is where the decisions go on from."""
        n = settings.annealed_epochs
        left = f"the final anneal is over and has left the LR at 1/{n + 1}; " if n else ""
        what = (
            f"the training goes on past total_calls={settings.total_calls}: {left}decisions go on from "
            "there. total_calls counts calls of step(), every evaluation is one: correct it or leave it out"
        )
        self._tell(call, what, "past total_calls", 6)

    def _tell(self, call: int, what: str, key: str, stacklevel: int = 5) -> None:
        if key not in self.told:
            self.told.add(key)
            warnings.warn(f"call {call}: {what}", RecoveryWarning, stacklevel=stacklevel)


def wanted(verbose: Any) -> bool:
    """Whether decisions are said: as asked, and for None where standard error is a terminal.

    Raises:
        TypeError: neither True, False nor None.
    """
    if verbose is not None and not isinstance(verbose, bool):
        raise TypeError(f"got verbose={verbose!r:.40}, need True, False or None (True with a terminal)")
    return sys.stderr is not None and sys.stderr.isatty() if verbose is None else verbose


def say(line: str) -> None:
    """Print a line to standard error; on rank 0 only, and above tqdm's bars where tqdm is in use."""
    if dist.is_available() and dist.is_initialized() and dist.get_rank():
        return
    bars: Any = getattr(sys.modules.get("tqdm"), "tqdm", None)  # in use if it was imported; never by us
    if hasattr(bars, "write"):
        bars.write(line, file=sys.stderr)
    else:
        print(line, file=sys.stderr)
