"""The label of one trial: the paper's examples, the naive twin, and what must always hold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.actions import Action
from data_gen import labels
from tests import reference

# few distinct values: ties and equal orders are common
LOSS = st.one_of(
    st.sampled_from([0.0, 0.1, 0.2, 0.3, math.nan, math.inf, -math.inf]), st.floats(allow_nan=True, width=32)
)
ACTION = st.sampled_from(list(Action))


@pytest.mark.parametrize(("repeated", "expected"), [(0.109, Action.LOWER), (0.115, Action.KEEP)])
def test_example_of_the_paper(repeated, expected):
    assert labels.correct(0.113, 0.112, 0.111, Action.LOWER, repeated) == expected


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ((0.1, 0.1, 0.1), Action.KEEP),
        ((0.1, 0.2, 0.1), Action.LOWER),
        ((0.1, 0.1, 0.2), Action.KEEP),
        ((math.nan, math.inf, 0.3), Action.LOWER),
        ((-math.inf, 0.2, 0.3), Action.KEEP),
        ((math.nan, math.nan, math.nan), Action.LOWER),
        ((0.0, math.nan, math.inf), Action.RAISE),
    ],
)
def test_ties_and_divergence(losses, expected):
    assert labels.correct(*losses, None, None) == expected


@given(LOSS, LOSS, LOSS, st.none() | ACTION, LOSS)
def test_equals_the_naive_twin(raised, kept, lowered, chosen, repeated):
    repeated = None if chosen is None else repeated
    expected = reference.label(raised, kept, lowered, chosen.label if chosen is not None else None, repeated)
    assert labels.correct(raised, kept, lowered, chosen, repeated).label == expected


@given(LOSS, LOSS, LOSS, ACTION, LOSS)
def test_correction_only_ever_turns_a_label_into_keep(raised, kept, lowered, chosen, repeated):
    corrected = labels.correct(raised, kept, lowered, chosen, repeated)
    assert corrected in (labels.raw(raised, kept, lowered), Action.KEEP)


@given(LOSS, LOSS, LOSS, ACTION)
def test_an_exact_repetition_confirms(raised, kept, lowered, chosen):
    same = (raised, kept, lowered)[chosen]
    assert labels.correct(raised, kept, lowered, chosen, same) == labels.raw(raised, kept, lowered)


@pytest.mark.parametrize(("chosen", "repeated"), [(Action.KEEP, None), (None, 0.1)])
def test_half_a_repetition_is_refused(chosen, repeated):
    with pytest.raises(ValueError, match="both or neither"):
        labels.correct(0.1, 0.2, 0.3, chosen, repeated)
