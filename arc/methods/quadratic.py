"""AutoLR's arithmetic without a run: the quadratic in the LR's change, and the saturation rule.

Source: AutoLR (ICLR 2020 submission), sections 2 and 2.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

MAX_CUT: Final = 0.1
"""The lowest factor that one change may put on the LR; ours: the quadratic knows no sign of the LR."""


def trust_radius(loss: float, error: float) -> float:
    """The largest change e of the LR with ``|e|^3 <= error * loss`` (equation 3)."""
    return math.cbrt(error * loss) if loss > 0 else 0.0


def best_change(changes: Sequence[float], losses: Sequence[float], *, radius: float) -> float:
    """The change of the LR that minimises a quadratic through measured losses, within a trust region.

    Args:
        changes: changes e of the LR at which the loss was measured.
        losses: L(theta - (lr + e) d); what is not finite is left out, and bounds the answer.
        radius: the largest change that the quadratic is trusted with.

    Returns:
        -k1 / (2 k2) of the least-squares fit k0 + k1 e + k2 e^2, clipped to the radius. Without a minimum
        (k2 <= 0, on which the paper is silent) the measured change of the lowest loss; 0 with fewer than
        three finite losses.

    Example:
        >>> round(best_change([-0.1, 0.0, 0.1], [1.21, 1.0, 0.81], radius=2.0), 6)  # (1 - e)^2
        1.0
        >>> best_change([-0.1, 0.0, 0.1], [1.21, 1.0, 0.81], radius=0.2)
        0.2
    """
    e, loss = np.asarray(changes, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    finite = np.isfinite(loss)
    if finite.sum() < 3:
        return 0.0
    scale = float(np.abs(e).max())  # of order one, or a fit at LRs of 1e-5 loses its digits
    _, k1, k2 = np.polynomial.polynomial.polyfit(e[finite] / scale, loss[finite], 2)
    convex = k2 > 1e-12 * abs(k1)
    best = -k1 / (2 * k2) * scale if convex else e[finite][loss[finite].argmin()]
    highest = float(e[finite].max()) if not finite.all() else math.inf
    return float(min(max(best, -radius), radius, highest))


@dataclass(frozen=True, kw_only=True)
class Saturation:
    """Whether the present LR has served its purpose (section 2.1, "saturation threshold").

    Attributes:
        began: loss-drop rate when the present LR began; None before it is known.
        absolute: the rate at the first crossing, which from then on is the threshold; None before.
    """

    began: float | None = None
    absolute: float | None = None

    def crossed(self, rate: float, ratio: float) -> bool:
        """Whether a rate (loss per step) is too low, where ``ratio`` is the relative threshold.

        The paper is silent on rates that are not positive: such a loss no longer drops, it has saturated.
        """
        if rate <= 0:
            return True
        if self.absolute is not None:
            return rate < self.absolute
        return self.began is not None and self.began / rate > ratio

    def fixed(self, rate: float, ratio: float) -> float | None:
        """The absolute threshold that a first crossing at ``rate`` leaves behind.

        It is the rate itself; where that is not positive, the rate at which the relative threshold would
        have been crossed. None while neither is known.
        """
        if rate > 0:
            return rate
        return self.began / ratio if self.began is not None and self.began > 0 else None
