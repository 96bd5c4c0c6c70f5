"""What a candidate is fitted to: the corrected label, or how likely each action is the best."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor, from_numpy
from torch.nn.functional import one_hot

from arc.actions import Action

Kind = Literal["hard", "soft"]
KINDS: Final[tuple[Kind, ...]] = ("hard", "soft")

Array = npt.NDArray[np.float64]


def hard(labels: Tensor) -> Tensor:
    """(N, 3): all weight on the label (the paper's)."""
    return one_hot(labels, len(Action)).float()


def soft(losses: Array, chosen: npt.NDArray[np.int64], repeated: Array, runs: npt.NDArray[np.str_]) -> Tensor:
    """(N, 3): the softmax of minus the branches' losses, in units of the noise.

    A branch that wins by much gets all the weight, and branches between which a repetition could decide
    otherwise share it. So every trial counts by what it tells, where the paper makes a doubtful one KEEP.

    Args:
        losses: (N, 3), final validation losses of raise, keep and lower; not finite where one diverged.
        chosen: (N,), the branch that was repeated; -1 where none was.
        repeated: (N,), the loss of the repetition; NaN where there was none.
        runs: N run ids.

    Noise is how far a repetition ends from the branch that it repeats: the mean of the trial's own
    distance and of its run's median; where a run has none, the samples' median in units of a trial's
    spread. A diverged branch gets no weight; where all three diverged, LOWER gets it.
    """
    finite = np.isfinite(losses)
    least = np.where(finite, losses, np.inf).min(1)
    least[~np.isfinite(least)] = 0.0
    above = np.where(finite, losses - least[:, None], np.inf)
    noise = _noise(losses, chosen, repeated, runs, spread=np.where(finite, above, 0.0).max(1))
    weights = np.exp(-above / noise[:, None])
    weights[~finite.any(1), Action.LOWER] = 1.0
    return from_numpy((weights / weights.sum(1, keepdims=True)).astype(np.float32, order="C"))


def _noise(
    losses: Array, chosen: npt.NDArray[np.int64], repeated: Array, runs: npt.NDArray[np.str_], spread: Array
) -> Array:
    """(N,), positive."""
    branch = np.where(chosen >= 0, losses[np.arange(len(losses)), chosen], np.nan)
    distance = np.abs(repeated - branch)
    distance[~np.isfinite(distance)] = np.nan
    relative = distance[spread > 0] / spread[spread > 0]
    usual = np.nanmedian(relative) if np.isfinite(relative).any() else 1.0
    of_run = pd.Series(distance).groupby(runs).transform("median").to_numpy()
    of_run = np.where(np.isfinite(of_run), of_run, usual * spread)
    noise = (of_run + np.where(np.isfinite(distance), distance, of_run)) / 2
    return np.maximum(noise, np.finfo(np.float32).tiny)
