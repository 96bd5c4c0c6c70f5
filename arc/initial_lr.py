"""The initial LR by step sampling, before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from arc.settings import Settings

if TYPE_CHECKING:
    from arc.methods.lr_search import Suggestion


def set_lr0(
    lr0: Any,
    optimizers: Sequence[torch.optim.Optimizer],
    settings: Settings,
    search: dict[str, Any],
    process_group: Any = None,
) -> Suggestion:
    """Search the initial LR and set it; ``search`` holds what :func:`arc.suggest_lr` needs.

    Raises:
        ValueError: ``lr0`` is not ``auto``, something is missing, there are several optimizers, or the mode
            is ``advise``.
    """
    if lr0 != "auto":
        raise ValueError(f"got lr0={lr0!r}, need 'auto' (an LR itself goes into the optimizer)")
    if settings.mode == "advise":
        raise ValueError("got lr0='auto' with mode='advise', which touches nothing")
    if len(optimizers) > 1:
        raise ValueError(
            f"got lr0='auto' with {len(optimizers)} optimizers, the search steps one: search with each by "
            "arc.suggest_lr before, or give the LRs"
        )
    (optimizer,) = optimizers
    for name, value in search.items():
        if value is None:
            raise ValueError(
                f"got {name}=None with lr0='auto', the search needs model, loss_fn, train_batches, val_fn"
            )
    from arc.methods.lr_search import suggest
    from arc.methods.run import set_lr

    low, high = settings.bounds
    found = suggest(optimizer=optimizer, over_ranks=process_group or True, **search)
    set_lr(optimizer, min(max(found.lr, low), high))
    return found
