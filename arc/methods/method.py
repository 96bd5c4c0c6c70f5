"""The one entry point of every method: ``for losses in method.drive(run, steps): ...``."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from arc.methods.run import Run


@dataclass
class State:
    """What a method must remember between two calls: plain types and tensors only."""

    first_step: int | None = None
    total_steps: int = 0


class Method(ABC):
    """An LR method that drives a run. Subclasses are dataclasses of their constants plus ``state``.

    A method is stopped at any yield of :meth:`drive`, saved by :meth:`state_dict` together with
    ``run.snapshot()``, and goes on with :meth:`load_state_dict`, ``run.restore`` and ``drive``.
    """

    state: State

    def start(self, run: Run) -> None:  # noqa: B027 (a hook)
        """Called once, before the first step (a search for the initial LR, base values)."""

    @abstractmethod
    def advance(self, run: Run, steps: int) -> list[float]:
        """Move the run forward by 1 to ``steps`` steps; the training loss of each.

        Steps that a search takes and undoes are neither counted in ``steps`` nor returned. A
        method may end before ``steps`` to act at a boundary of its own.
        """

    def epoch_end(self, run: Run) -> None:  # noqa: B027 (a hook)
        """Called whenever the run completes an epoch."""

    def drive(self, run: Run, steps: int) -> Iterator[list[float]]:
        """Train the run for ``steps`` steps in all, those before a resume included.

        Yields:
            at each epoch's end and at the last step, the training losses since the last yield.
            A method that rolls back yields the undone steps too; ``run.step_count`` tells.

        Raises:
            ValueError: ``steps`` below 1, or another number than the one that was begun with.
        """
        state = self.state
        if steps < 1:
            raise ValueError(f"got steps={steps}, need an integer >= 1")
        if state.first_step is None:
            state.first_step, state.total_steps = run.step_count, steps
            self.start(run)
        elif state.total_steps != steps:
            raise ValueError(f"got steps={steps}, but this method began a run of {state.total_steps} steps")
        end = state.first_step + steps
        losses: list[float] = []
        while run.step_count < end:
            epoch = run.steps_per_epoch
            losses += self.advance(run, min(epoch - run.step_count % epoch, end - run.step_count))
            at_epoch_end = run.step_count % epoch == 0
            if at_epoch_end:
                self.epoch_end(run)
            if at_epoch_end or run.step_count >= end:
                yield losses
                losses = []

    def progress(self, run: Run) -> float:
        """The part of the run that is done, 0 to 1."""
        return (run.step_count - (self.state.first_step or 0)) / self.state.total_steps

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides the continuation; loads with ``weights_only=True``."""
        return {"method": type(self).__name__, **copy.deepcopy(vars(self.state))}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict` of a method of the same class and constants."""
        values = dict(state_dict)
        name = values.pop("method", None)
        if name != type(self).__name__ or values.keys() != vars(self.state).keys():
            raise ValueError(
                f"got the state of {name!r} with {sorted(values)}, "
                f"need that of {type(self).__name__!r} with {sorted(vars(self.state))}"
            )
        vars(self.state).update(copy.deepcopy(values))


def require(condition: bool, name: str, value: object, need: str) -> None:
    """Refuse a constant: ``got delay=0, need an integer >= 1``."""
    if not condition:
        raise ValueError(f"got {name}={value!r}, need {need}")
