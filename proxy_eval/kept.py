"""The models of a run that are judged on the test split, kept until it is over."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from torch import Tensor

from proxy_eval.watched import Epoch, WatchedRun
from tasks.loop import Evaluation

NAMES = ("last", "best", "last_within", "best_within")


class Measured(NamedTuple):
    """A model on the test split; NaN where its parameters are not finite."""

    epoch: int
    test_loss: float
    test_metric: float

    @classmethod
    def of(cls, run: WatchedRun, epoch: int) -> Self:
        """Measure the run's model as it stands."""
        test = run.evaluate("test") if run.finite else Evaluation(math.nan, math.nan)
        return cls(epoch, test.loss, math.nan if test.metric is None else test.metric)


class Untrained(NamedTuple):
    """A model before its first step, on the two splits."""

    val: Evaluation
    test: Measured


_UNTRAINED: dict[object, Untrained] = {}


def untrained(run: WatchedRun, key: object) -> Untrained:
    """What a run is worth before its first step, measured once per process and ``key``."""
    if key not in _UNTRAINED:
        if len(_UNTRAINED) >= 256:
            _UNTRAINED.clear()
        _UNTRAINED[key] = Untrained(run.evaluate("val"), Measured.of(run, 0))
    return _UNTRAINED[key]


class _State(NamedTuple):
    epoch: int
    val_loss: float
    tensors: dict[str, Tensor]


@dataclass
class Kept:
    """The last model, the one of the lowest validation loss, and both again within the budget."""

    run: WatchedRun
    untrained: Measured
    budget: int
    _states: dict[str, _State] = field(default_factory=dict)

    def see(self, epoch: Epoch) -> None:
        """Keep the model that an epoch left behind, for whatever it is the last or the best of."""
        within = epoch.charged <= self.budget
        best = [name for name in ("best", "best_within")[: 1 + within] if self._improves(name, epoch)]
        names = ["last", *["last_within"] * within, *best]
        tensors = {k: v.detach().clone() for k, v in self.run.model.state_dict().items()}
        self._states |= dict.fromkeys(names, _State(epoch.number, epoch.val_loss, tensors))

    def _improves(self, name: str, epoch: Epoch) -> bool:
        known = self._states[name].val_loss if name in self._states else math.inf
        return epoch.val_loss < known

    def state_dict(self) -> dict[str, Any]:
        """The models so far, each once."""
        different = {id(state): state for state in self._states.values()}
        return {
            "states": [tuple(state) for state in different.values()],
            "names": {name: list(different).index(id(state)) for name, state in self._states.items()},
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        states = [_State(*state) for state in saved["states"]]
        self._states = {name: states[place] for name, place in saved["names"].items()}

    @functools.cached_property
    def measured(self) -> dict[str, Measured]:
        """The four models on the test split; changes the run's model, which is over."""
        found: dict[str, Measured] = {}
        once: dict[int, Measured] = {}
        for name in NAMES:
            state = self._states.get(name)
            if state is None:  # no epoch was within the budget, or none was finite
                found[name] = self.untrained
                continue
            if id(state.tensors) not in once:
                self.run.model.load_state_dict(state.tensors)
                once[id(state.tensors)] = Measured.of(self.run, state.epoch)
            found[name] = once[id(state.tensors)]
        return found

    def scores(self) -> dict[str, float]:
        """The columns of the four models."""
        return {
            f"{name}_{column}": getattr(found, column)
            for name, found in self.measured.items()
            for column in ("epoch", "test_loss", "test_metric")
        }

    def diverged(self) -> bool:
        """Whether the last model's test loss is not finite, or its quality below the untrained one's."""
        last, start = self.measured["last"], self.untrained
        higher = self.run.task.higher_is_better
        if not (math.isfinite(last.test_loss) and math.isfinite(last.test_metric)):
            return True
        return last.test_metric < start.test_metric if higher else last.test_loss > start.test_loss
