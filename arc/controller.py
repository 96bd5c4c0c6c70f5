"""The controller: an optimizer, a history of losses and the network, joined into a changing LR."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from arc.controlled_run import ControlledRun
from arc.decision import Decision
from arc.history.losses import Loss
from arc.history.ranks import group_of
from arc.network import weights
from arc.network.estimator import Estimator
from arc.network.network import Network
from arc.notices import say, wanted
from arc.optimizers.handle import Optimizers
from arc.optimizers.learning_rates import listed
from arc.policy import default as policies
from arc.policy.default import Policy, PolicyName
from arc.recovery.room import asked_for
from arc.saved import Saved
from arc.settings import Mode, Settings, renamed, whole
from arc.tensors import number
from arc.view.log_writer import Journal
from arc.view.plot import LogRow

if TYPE_CHECKING:
    from arc.methods.lr_search import Suggestion


class Controller(Saved):
    """Changes an optimizer's LR while it trains, from how its weights move and from its losses.

    Call :meth:`record` with the training loss of every optimizer step and :meth:`step` once per epoch
    (or per evaluation).

    Args:
        optimizer: any torch optimizer, or a list of those that train one model (Muon and AdamW). One decision
            multiplies all groups of all of them, so their ratios stay; a group at 0 stays at 0. A decoupled
            weight decay (AdamW's), LR times ``weight_decay`` a step, moves with the LR.
        network: what judges the training; the shipped one by default.
        policy: the rules around the network: ``default``, ``paper`` (none) or an :class:`arc.Policy`.
        period: calls of ``step`` from one decision to the next near the best LR; far from it any decides.
        total_calls: calls of ``step`` in the whole training; over the last of them the LR is annealed. If the
            training goes on, so do the decisions, from the LR that the anneal has left; that is said once.
        min_lr, max_lr: no move carries a group's LR beyond them.
        warmup: optimizer steps during which nothing changes and nothing is remembered.
        model: what ``lr0="auto"`` works on, and whose buffers ``rollback`` keeps along; without it those of
            the modules that hold the parameters.
        rollback: keeps the initial and the last good state to go back to, two copies at most: ``"auto"``
            where they take under a quarter of the free host memory (else the LR alone is guarded, which is
            said once), True in any case, a path in files there, False not at all (docs/controller.md).
        extra_state: objects with ``state_dict`` and ``load_state_dict`` (a GradScaler, an EMA) kept along.
        on_restore: called with the decision after a state was put back.
        mode: ``advise`` fills ``decisions`` and touches nothing.
        scheduler: torch schedulers on the same optimizer; their base LRs are scaled along.
        lr0: ``auto`` searches the initial LR first (:func:`arc.suggest_lr`).
        loss_fn, train_batches, val_fn: for that search: ``loss_fn(model, batch)`` to a scalar tensor, batches
            that can be iterated again, the validation loss of the model as it is.
        log_dir: directory of a log that grows with every call, for ``python -m arc watch`` and ``replay``.
        writer: a ``torch.utils.tensorboard.SummaryWriter`` that gets LR, losses, decisions and settings.
        process_group: of the ranks that train this model together, where they are not all ranks there are.
        verbose: says every decision in one line on standard error, above tqdm's bars; None: with a terminal.
            A line of one's own: ``print(decision.line("step 1500"))``.
        total_epochs: the old name of ``total_calls``.

    Attributes:
        optimizers: what was given, one or several.
        decisions: all decisions so far, oldest first.
        suggestion: what the search of ``lr0="auto"`` found, its cost included; None without one.

    Raises:
        TypeError, ValueError: a value that cannot be used; the message shows it and the remedy.

    Source: ARC (Dong et al., 2021), section 3.5; ``docs/controller.md`` states every rule.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
        *,
        network: Network | Estimator | None = None,
        policy: Policy | PolicyName = "default",
        period: int = 3,
        total_calls: int | None = None,
        min_lr: float | None = None,
        max_lr: float | None = None,
        warmup: int = 0,
        model: nn.Module | None = None,
        rollback: bool | str | Path = "auto",
        extra_state: Sequence[Any] = (),
        on_restore: Callable[[Decision], object] | None = None,
        mode: Mode = "control",
        scheduler: Any = None,
        lr0: Literal["auto"] | None = None,
        loss_fn: Callable[[nn.Module, Any], Tensor] | None = None,
        train_batches: Iterable[Any] | None = None,
        val_fn: Callable[[], float | Tensor] | None = None,
        log_dir: str | Path | None = None,
        writer: Any = None,
        process_group: Any = None,
        verbose: bool | None = None,
        total_epochs: int | None = None,
    ) -> None:
        group = group_of(process_group)
        self.settings = Settings(
            policy=policies.get(policy),
            period=period,
            total_calls=renamed(total_calls, total_epochs),
            min_lr=min_lr,
            max_lr=max_lr,
            warmup=warmup,
            rollback=rollback,
            mode=mode,
        )
        self.optimizers: tuple[torch.optim.Optimizer, ...] = tuple(listed(optimizer))
        self.decisions: list[Decision] = []
        self._says = wanted(verbose)
        self.suggestion: Suggestion | None = None
        if lr0 is not None:
            from arc.methods.lr_search import set_lr0

            search = {"model": model, "loss_fn": loss_fn, "train_batches": train_batches, "val_fn": val_fn}
            self.suggestion = set_lr0(lr0, self.optimizers, self.settings, search, group)
        self._steering = Optimizers(
            list(self.optimizers), scheduler, min_lr=min_lr, max_lr=max_lr, control=mode == "control"
        )
        self._network = weights.given(network, paper_policy=self.settings.policy is policies.PAPER)
        copies = asked_for(self._steering.all, model, self.settings, extra_state)
        self._run = ControlledRun(self._network, self.settings, self._steering, copies, group)
        self._run.recovery.on_restore = on_restore
        self._log: list[LogRow] = []
        self._journal = Journal(log_dir, writer, self.settings, self._network)
        self._records = 0
        self._skip: float = warmup

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer; of several the first."""
        return self.optimizers[0]

    def record(self, loss: Loss) -> None:
        """Add the training loss of one optimizer step: a number or a scalar tensor.

        A tensor stays on its device, nothing is transferred and no graph is kept. With gradient
        accumulation or AMP call it once per optimizer step that was applied.
        """
        if self._skip:
            self._skip -= 1
        else:
            self._run.history.losses.add(loss)
        self._records += 1

    def step(self, val_loss: float | Tensor | None = None, *, steps: int | None = None) -> Decision | None:
        """End an epoch (or whatever lies between two calls), and decide when the period is over.

        Args:
            val_loss: validation loss, if one was measured.
            steps: of the optimizer since the last call, where fewer losses were recorded (one mean).

        Returns:
            The decision, or None between decisions.

        Raises:
            RuntimeError: no loss was recorded since the last call; a scheduler that was not passed drives the
                LR; ranks that disagree or do not answer in time.
            TypeError: ``val_loss`` is no number; ValueError: ``steps`` is no positive integer.
        """
        if self._skip == math.inf:
            return None
        if steps is not None:
            whole("steps", steps, 1, "optimizer steps since the last call")
            unseen = max(0, steps - self._records)
            self._records, self._skip = self._records + unseen, max(0, self._skip - unseen)
        val = None if val_loss is None else number(val_loss, "val_loss")
        records, self._records = self._records, 0
        losses = self._journal.losses(self._run.history.losses)
        call = self._run.end_call(records, val)
        if call.kept:
            self._log.append(LogRow.of(call))
        decision = self._run.decide(call)
        if decision is not None:
            self.decisions.append(decision)
            if self._says:
                say(decision.line())
        if call.kept:
            self._journal.add(self._log[-1], losses, call, decision)
        return decision

    def detach(self) -> None:
        """Let go: the optimizer stays as it is; ``record`` and ``step`` do nothing from now on."""
        self._skip = math.inf
        self._run.history.clear()
        self._run.recovery.copies = None
