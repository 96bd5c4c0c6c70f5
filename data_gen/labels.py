"""The label of one trial."""

from __future__ import annotations

import math

from arc.actions import Action

PREFERENCE = (Action.KEEP, Action.LOWER, Action.RAISE)
"""Which action wins a tie: the one that risks least."""


def ranking(raise_loss: float, keep_loss: float, lower_loss: float) -> tuple[Action, Action, Action]:
    """The actions from best to worst final validation loss.

    NaN and infinities rank as the worst; ties go to KEEP, then LOWER, then RAISE.

    Source: ARC (Dong et al., 2021), section 3.2, step 5; the rules for ties and divergence are ours.

    Example:
        >>> [a.label for a in ranking(0.113, 0.112, 0.111)]
        ['lower', 'keep', 'raise']
    """
    losses = {Action.RAISE: raise_loss, Action.KEEP: keep_loss, Action.LOWER: lower_loss}
    best, middle, worst = sorted(
        PREFERENCE, key=lambda a: losses[a] if math.isfinite(losses[a]) else math.inf
    )
    return best, middle, worst


def raw(raise_loss: float, keep_loss: float, lower_loss: float) -> Action:
    """The action with the lowest final validation loss; LOWER where all three diverged."""
    if not any(map(math.isfinite, (raise_loss, keep_loss, lower_loss))):
        return Action.LOWER
    return ranking(raise_loss, keep_loss, lower_loss)[0]


def order_kept(
    raise_loss: float, keep_loss: float, lower_loss: float, chosen: Action, repeated_loss: float
) -> bool:
    """Whether the three losses keep their order when the repetition takes the chosen branch's place."""
    losses = [raise_loss, keep_loss, lower_loss]
    before = ranking(*losses)
    losses[chosen] = repeated_loss
    return before == ranking(*losses)


def correct(
    raise_loss: float,
    keep_loss: float,
    lower_loss: float,
    chosen: Action | None,
    repeated_loss: float | None,
) -> Action:
    """The label of a trial, made KEEP where noise outweighs the LR.

    The next trunk repeats the chosen branch with other randomness. If its loss in the branch's place
    changes the order of the three, the order was noise.

    Args:
        raise_loss: validation loss at the end of the branch with the raised LR; NaN or infinite
            where it diverged.
        keep_loss: that of the branch with the same LR.
        lower_loss: that of the branch with the lowered LR.
        chosen: the action that the next trunk repeats; None on the last cycle of a run.
        repeated_loss: the loss at the end of that trunk; None on the last cycle.

    Raises:
        ValueError: only one of ``chosen`` and ``repeated_loss`` is None.

    Source: ARC (Dong et al., 2021), section 3.3.

    Example:
        >>> correct(0.113, 0.112, 0.111, Action.LOWER, 0.109).label
        'lower'
        >>> correct(0.113, 0.112, 0.111, Action.LOWER, 0.115).label
        'keep'
    """
    if (chosen is None) != (repeated_loss is None):
        raise ValueError(f"got chosen={chosen} with repeated_loss={repeated_loss}, need both or neither")
    label = raw(raise_loss, keep_loss, lower_loss)
    if (
        chosen is None
        or repeated_loss is None
        or not any(map(math.isfinite, (raise_loss, keep_loss, lower_loss)))
    ):
        return label
    return label if order_kept(raise_loss, keep_loss, lower_loss, chosen, repeated_loss) else Action.KEEP
