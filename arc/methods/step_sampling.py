"""Step sampling as a method: the initial LR by :mod:`arc.methods.lr_search`, then another method from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from arc.methods.loss_curve import LR_RANGE, THRESHOLD
from arc.methods.lr_search import STEPS, Selection
from arc.methods.lr_search import Suggestion as Suggestion
from arc.methods.lr_search import search as search
from arc.methods.lr_search import suggest as suggest
from arc.methods.method import Method, State
from arc.methods.run import Run, set_lr
from arc.methods.schedule import Constant


@dataclass
class _State(State):
    curve: dict[float, float] = field(default_factory=dict)
    lr: float | None = None


@dataclass(kw_only=True)
class StepSampling(Method):
    """Search the initial LR, then let another method drive the run from it.

    Attributes:
        then: what follows; a constant LR by default.
        selection, steps, lr_range, threshold: as in :func:`suggest`.
    """

    then: Method = field(default_factory=Constant)
    selection: Selection = "midpoint"
    steps: int = STEPS
    lr_range: tuple[float, float] = LR_RANGE
    threshold: float = THRESHOLD
    state: _State = field(default_factory=_State, init=False, repr=False)

    def start(self, run: Run) -> None:
        """Search; its steps are charged to the run and undone."""
        found = search(
            run,
            selection=self.selection,
            steps=self.steps,
            lr_range=self.lr_range,
            threshold=self.threshold,
        )
        self.state.lr, self.state.curve = found.lr, found.curve
        set_lr(run.optimizer, found.lr)
        self.then.state.first_step, self.then.state.total_steps = run.step_count, self.state.total_steps
        self.then.start(run)

    def advance(self, run: Run, steps: int) -> list[float]:
        """What follows decides."""
        return self.then.advance(run, steps)

    def epoch_end(self, run: Run) -> None:
        """What follows decides."""
        self.then.epoch_end(run)

    def state_dict(self) -> dict[str, Any]:
        """The search's result, and the state of what follows."""
        return {**super().state_dict(), "then": self.then.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        values = dict(state_dict)
        self.then.load_state_dict(values.pop("then"))
        super().load_state_dict(values)
