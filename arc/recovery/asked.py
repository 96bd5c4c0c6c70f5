"""Which copies a controller keeps: what was asked for, and whether there is room."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from arc.decision import RecoveryWarning
from arc.policy.default import PAPER
from arc.recovery.copies import Copies
from arc.recovery.room import fits
from arc.settings import Settings


def asked_for(
    optimizers: Sequence[torch.optim.Optimizer],
    model: nn.Module | None,
    settings: Settings,
    extra_state: Sequence[Any],
) -> Copies | None:
    """The copies that a controller's settings ask for; None where ``auto`` finds no room for them.

    Raises:
        ValueError: ``model`` is no module.
    """
    asked = settings.rollback
    if model is not None and not isinstance(model, nn.Module):
        raise ValueError(f"got model={model!r:.80}, need a torch module or None")
    if asked is False or settings.mode == "advise" or (asked == "auto" and settings.policy is PAPER):
        return None
    if asked == "auto" and not fits(optimizers, model):
        warnings.warn(
            "two copies of the state would take more than a quarter of the free memory: ARC guards the LR "
            "alone; rollback=True keeps them all the same, rollback='folder' keeps them in files",
            RecoveryWarning,
            stacklevel=3,
        )
        return None
    folder = None if isinstance(asked, bool) or asked == "auto" else asked
    return Copies(optimizers, model, extra_state=extra_state, folder=folder)
