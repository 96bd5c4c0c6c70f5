"""TensorBoard: a run's scalars, decisions and hyperparameters, through a SummaryWriter that the user made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arc import torch_private
from arc.decision import Decision
from arc.view.plot import LogRow


def check(writer: Any) -> None:
    """TypeError where ``writer`` is no SummaryWriter (nor has its two methods that are used)."""
    for needed in ("add_scalar", "add_text"):
        if not callable(getattr(writer, needed, None)):
            raise TypeError(f"got writer={writer!r:.60}, need a torch.utils.tensorboard.SummaryWriter")


def scalars(writer: Any, call: LogRow, decision: Decision | None) -> None:
    """One call of ``step()``: LR, losses, cosine, distance; a decision's probabilities, factor, reason."""
    values = {name: value for name, value in call._asdict().items() if name != "epoch"}
    if decision is not None:
        values |= dict(zip(("p_raise", "p_keep", "p_lower"), decision.probabilities, strict=True))
        values["multiplier"] = decision.multiplier
        writer.add_text("arc/decision", f"{decision.action.label}: {decision.reason}", call.epoch)
    for name, value in values.items():
        if value is not None:
            writer.add_scalar(f"arc/{name}", value, call.epoch)


def hyperparameters(writer: Any, settings: Mapping[str, Any], results: Sequence[str]) -> None:
    """Settings for the HPARAMS page, in the writer's own run (``add_hparams`` would open a second one).

    Args:
        writer: a SummaryWriter; another logger with its methods gets none.
        settings: names to bools, numbers or strings.
        results: names of the scalars that the page shows beside them.
    """
    file = torch_private.file_writer(writer)
    if file is None:
        return
    from torch.utils.tensorboard.summary import hparams

    for summary in hparams(dict(settings), dict.fromkeys(results, 0.0)):
        file.add_summary(summary)
