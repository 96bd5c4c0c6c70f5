"""The hybrid loss: which action, and above all no wrong RAISE."""

from __future__ import annotations

from typing import Final

from torch import Tensor
from torch.nn import functional

from arc.actions import Action

CLIP: Final = 1e-4
"""Probabilities of the binary term are clipped to [CLIP, 1 - CLIP]."""


def hybrid_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Half cross-entropy over the three actions, half binary cross-entropy on p(RAISE).

    Args:
        logits: (batch, 3).
        labels: int64 (batch,).

    Returns:
        A scalar. The binary term is the mean over the samples labelled RAISE or LOWER, 0 if none is.

    Source: ARC (Dong et al., 2021), section 3.4; the choice of samples and the clipping are its public
    code's.
    """
    categorical = functional.cross_entropy(logits, labels)
    decided = labels != Action.KEEP
    p_raise = logits.softmax(1)[:, Action.RAISE].clamp(CLIP, 1 - CLIP)
    is_raise = (labels == Action.RAISE).to(p_raise.dtype)
    terms = functional.binary_cross_entropy(p_raise, is_raise, reduction="none")
    binary = (terms * decided).sum() / decided.sum().clamp(min=1)
    return 0.5 * categorical + 0.5 * binary
