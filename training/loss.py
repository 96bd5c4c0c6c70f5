"""The hybrid loss: which action, and above all no wrong RAISE."""

from __future__ import annotations

from typing import Final

from torch import Tensor
from torch.nn import functional

from arc.actions import Action

CLIP: Final = 1e-4
"""Probabilities of the binary term are clipped to [CLIP, 1 - CLIP]."""


def hybrid_loss(logits: Tensor, targets: Tensor, binary: float = 0.5) -> Tensor:
    """Cross-entropy over the three actions, and binary cross-entropy on p(RAISE).

    Args:
        logits: (batch, 3).
        targets: (batch, 3), rows sum to 1 (:mod:`training.targets`).
        binary: weight of the binary term, in [0, 1]; the other term has the rest. The binary term alone is
            least at p(RAISE) = raise / (raise + lower), so it pulls above a soft target's own share.

    Returns:
        A scalar. The binary term is the mean over the weight on RAISE or LOWER, 0 if there is none: with
        all weight on labels, the mean over the samples labelled so.

    Source: ARC (Dong et al., 2021), section 3.4; the choice of samples and the clipping are its public
    code's.
    """
    categorical = functional.cross_entropy(logits, targets)
    p_raise = logits.softmax(1)[:, Action.RAISE].clamp(CLIP, 1 - CLIP)
    raised, lowered = targets[:, Action.RAISE], targets[:, Action.LOWER]
    decided = (raised + lowered).sum().clamp(min=CLIP)
    on_raise = -(raised * p_raise.log() + lowered * (1 - p_raise).log()).sum() / decided
    return (1 - binary) * categorical + binary * on_raise
