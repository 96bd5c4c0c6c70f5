"""ARC as a method: the controller follows the losses of a run."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from arc.controller import Controller
from arc.decision import Decision
from arc.methods.method import Method, State
from arc.methods.run import Run

ControllerFactory = Callable[[Run, int], Controller]
"""``(run, epochs)`` to a controller of the run's optimizer."""


@dataclass(kw_only=True)
class Controlled(Method):
    """A :class:`arc.Controller` that sees every training loss, and the validation loss of every epoch.

    Attributes:
        controller: called when the run begins or is resumed.

    Example:
        >>> method = Controlled(controller=lambda run, epochs: Controller(run.optimizer, total_calls=epochs))
    """

    controller: ControllerFactory
    state: State = field(default_factory=State, init=False, repr=False)

    def __post_init__(self) -> None:
        self._live: Controller | None = None
        self._saved: dict[str, Any] | None = None

    def start(self, run: Run) -> None:
        """Build the controller."""
        self._live = self.controller(run, max(1, self.state.total_steps // run.steps_per_epoch))

    def advance(self, run: Run, steps: int) -> list[float]:
        """Train, and show the controller every loss."""
        controller = self.live(run)
        losses = run.train(steps)
        for loss in losses:
            controller.record(loss)
        return losses

    def epoch_end(self, run: Run) -> None:
        """Let the controller see the validation loss and decide; its copy for a rollback is charged."""
        controller = self.live(run)
        controller.step(val_loss=run.validate())
        if controller.settings.rollback is not False:
            kept = [*run.model.state_dict().values()]
            kept += [
                v for state in run.optimizer.state.values() for v in state.values() if torch.is_tensor(v)
            ]
            run.cost.add(snapshots=1, snapshot_bytes=sum(t.numel() * t.element_size() for t in kept))

    @property
    def decisions(self) -> list[Decision]:
        """The controller's decisions so far, oldest first."""
        return [] if self._live is None else self._live.decisions

    def live(self, run: Run) -> Controller:
        """The controller itself; after a resume it is built here."""
        if self._live is None:
            self.start(run)
            assert self._live is not None
            if self._saved is not None:
                self._live.load_state_dict(copy.deepcopy(self._saved))
        return self._live

    def state_dict(self) -> dict[str, Any]:
        """The controller's state and the run's length."""
        live = self._saved if self._live is None else self._live.state_dict()
        return {**super().state_dict(), "controller": copy.deepcopy(live)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`; the controller is built at the next step."""
        values = dict(state_dict)
        self._saved, self._live = values.pop("controller"), None
        super().load_state_dict(values)
