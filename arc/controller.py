"""The controller: an optimizer, a history of losses and the network, joined into a changing LR."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from arc import lrs, policy, weights
from arc.actions import Action
from arc.decision import Decision
from arc.features import featurise
from arc.history import History
from arc.loss_buffer import Loss
from arc.network import Network
from arc.policy import Move, Policy


class Controller:
    """Changes an optimizer's LR while it trains, from the losses alone.

    Call :meth:`record` with the training loss of every optimizer step and :meth:`step` once per epoch
    (or per evaluation); every ``period`` calls of ``step`` the network raises, keeps or lowers the LR.

    Args:
        optimizer: any torch optimizer; all its groups are multiplied, so their ratios stay.
        network: the classifier; the shipped controller by default.
        policy: the rules around the network: ``default``, ``paper`` (none) or an :class:`arc.Policy`.
        period: calls of ``step`` between two decisions.

    Raises:
        TypeError, ValueError: a value that cannot be used; the message shows it and the remedy.
        WeightsError: the shipped controller is missing or damaged.

    Source: ARC (Dong et al., 2021), section 3.5.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        *,
        network: Network | None = None,
        policy: Policy | policy.PolicyName = "default",
        period: int = 3,
    ) -> None:
        if isinstance(period, bool) or not isinstance(period, int) or period < 1:
            raise ValueError(f"got period={period!r}, need an integer >= 1 (calls of step() per decision)")
        lrs.read(optimizer)
        self.optimizer = optimizer
        self.period = period
        self.decisions: list[Decision] = []
        self._network = (weights.load() if network is None else network).eval()
        self._policy = _policy_state(policy)
        self._history = History()
        self._epoch = 0
        self._records = 0

    @classmethod
    def from_pretrained(cls, path: str | Path, optimizer: torch.optim.Optimizer, **settings: Any) -> Self:
        """A controller with the network of a controller directory; ``settings`` as for the class."""
        return cls(optimizer, network=weights.load(path), **settings)

    def record(self, loss: Loss) -> None:
        """Add the training loss of one optimizer step: a number or a scalar tensor.

        A tensor stays on its device, nothing is transferred and no graph is kept. With gradient
        accumulation or AMP call it once per optimizer step that was applied.
        """
        self._history.record(loss)
        self._records += 1

    def step(self, val_loss: float | Tensor | None = None) -> Decision | None:
        """End an epoch (or whatever lies between two calls), and decide when the period is over.

        Args:
            val_loss: validation loss, if one was measured.

        Returns:
            The decision, or None between decisions.

        Raises:
            RuntimeError: no loss was recorded since the last call.
            TypeError, ValueError: ``val_loss`` is no number.
        """
        if not self._records:
            raise RuntimeError("step() without a loss: call record(loss) after every optimizer step")
        val = None if val_loss is None else _validation(val_loss)
        self._records = 0
        self._epoch += 1
        before = lrs.read(self.optimizer)
        mean, _, _ = self._history.losses.end_call()
        if not math.isfinite(mean) or (val is not None and not math.isfinite(val)):
            self._history.drop_period()
            return self._apply(
                Move(Action.LOWER, Action.LOWER.multiplier), before, (0.0, 0.0, 1.0), "non-finite loss"
            )
        self._history.end_call(val, lrs.reference(before))
        if self._history.calls < self.period:
            return None
        probabilities = self._ask(self._history)
        move = self._policy.decide(probabilities, self._history.last_val_losses())
        return self._apply(move, before, probabilities, move.note)

    def _ask(self, history: History) -> tuple[float, float, float]:
        window = torch.from_numpy(featurise(history.end_period()))
        with torch.inference_mode():
            raise_, keep, lower = self._network(window[None]).softmax(1)[0].tolist()
        return raise_, keep, lower

    def _apply(
        self, move: Move, before: tuple[float, ...], probabilities: tuple[float, float, float], reason: str
    ) -> Decision:
        multiplier = lrs.limited(move.multiplier, before, *lrs.LIMITS)
        after = lrs.scale(self.optimizer, multiplier)
        self._policy.applied(multiplier)
        decision = Decision(
            action=move.action,
            probabilities=probabilities,
            lr_before=before,
            lr_after=after,
            epoch=self._epoch,
            reason=reason or f"{move.action.label}, p={probabilities[move.action]:.2f}",
        )
        self.decisions.append(decision)
        return decision

    def state_dict(self) -> dict[str, Any]:
        """Plain types, for ``torch.load(..., weights_only=True)``. The LR is in the optimizer's state."""
        return {
            "version": 1,
            "groups": len(self.optimizer.param_groups),
            "epoch": self._epoch,
            "records": self._records,
            "history": self._history.state_dict(),
            "policy": self._policy.state_dict(),
            "decisions": [d.as_dict() for d in self.decisions],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`; the same decisions follow as without the interruption.

        Raises:
            ValueError: a state of another version or number of parameter groups.
        """
        if not isinstance(state, dict) or state.get("version") != 1:
            raise ValueError("got no state of an arc.Controller (version 1)")
        if state["groups"] != len(self.optimizer.param_groups):
            raise ValueError(
                f"got a state with {state['groups']} parameter groups, the optimizer has "
                f"{len(self.optimizer.param_groups)}; build it with the same groups"
            )
        self._epoch, self._records = int(state["epoch"]), int(state["records"])
        self._history.load_state_dict(state["history"])
        self._policy.load_state_dict(state["policy"])
        self.decisions = [Decision.from_dict(d) for d in state["decisions"]]


def _policy_state(chosen: Policy | str) -> policy.PolicyState:
    return policy.PolicyState(policy.get(chosen))


def _validation(value: float | Tensor) -> float:
    if isinstance(value, bool | str | bytes):
        raise TypeError(f"got val_loss={value!r}, need a number")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"got val_loss={value!r:.80}, need a number or a scalar tensor") from error
