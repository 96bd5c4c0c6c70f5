"""The rules around the network, on scripted probabilities."""

import warnings
from typing import Any

import pytest

import arc
from arc.decision import RecoveryWarning
from arc.policy.default import PAPER, get
from arc.policy.probabilities import Memory, Move, decide
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling, lr_of, optimizer

RAISE, KEEP, LOWER = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)


def _moves(policy: arc.Policy, answers: list[Any], val_losses: list[float] | None = None) -> list[Move]:
    memory = Memory()
    moves = []
    for i, answer in enumerate(answers):
        window = [] if val_losses is None else val_losses[max(0, i - 2) : i + 1]
        moves.append(decide(policy, memory, answer, window))
        memory = moves[-1].after._replace(multiplier=moves[-1].multiplier)
    return moves


def test_agreeing_decisions_accelerate() -> None:
    moves = _moves(arc.Policy(acceleration=3), [RAISE, RAISE, RAISE, RAISE, LOWER, LOWER, KEEP, LOWER])
    expected = [1.618, 1.618**2, 1.618**3, 1.618**3, 0.618, 0.618**2, 1.0, 0.618]
    assert [m.multiplier for m in moves] == pytest.approx(expected)


def test_only_conviction_accelerates() -> None:
    doubtful, sure = (0.45, 0.25, 0.3), (0.8, 0.1, 0.1)
    answers = [doubtful, doubtful, sure, doubtful, sure]
    up = 1.618
    assert [m.multiplier for m in _moves(arc.Policy(conviction=0.7), answers)] == pytest.approx(
        [up, up, up**3, up, up**3]
    )
    assert [m.multiplier for m in _moves(arc.Policy(conviction=0.0), answers)] == pytest.approx(
        [up, up**2, up**3, up**3, up**3]
    )


@pytest.mark.parametrize(
    "policy, anneals, factors",
    [
        (arc.Policy(), True, [0.618**0.5, 1.618, 0.618, 0.618**2]),
        (arc.Policy(), False, [0.618, 1.618, 0.618, 0.618**2]),
        (arc.Policy(hesitation=1.0), True, [0.618, 1.618, 0.618, 0.618**2]),
    ],
)
def test_a_doubtful_lower_hesitates_where_an_anneal_comes(
    policy: arc.Policy, anneals: bool, factors: list[float]
) -> None:
    answers = [(0.3, 0.25, 0.45), (0.45, 0.25, 0.3), (0.0, 0.1, 0.9), (0.0, 0.1, 0.9)]
    moves = [Move(arc.Action.KEEP, 1.0, after=Memory())]
    for answer in answers:
        moves.append(decide(policy, moves[-1].after, answer, anneals=anneals))
    del moves[0]
    assert [move.multiplier for move in moves] == pytest.approx(factors)
    assert ("half a step before the anneal" in moves[0].note) == (factors[0] > 0.7)


def test_only_a_known_end_makes_lowers_hesitate(answering: Answering) -> None:
    for settings, factor in [({}, 0.618), ({"total_calls": 50}, 0.618**0.5)]:
        sgd = optimizer(0.1)
        network = answering(arc.Action.LOWER)
        policy = arc.Policy(acceleration=1, conviction=0.99999)
        controller = arc.Controller(sgd, network=network, policy=policy, period=1, **settings)
        epoch(controller, falling(0))
        assert lr_of(sgd) == pytest.approx(0.1 * factor)


def test_the_paper_does_not_accelerate() -> None:
    moves = _moves(PAPER, [RAISE] * 3 + [KEEP] + [LOWER] * 2, [1, 2, 3, 4, 5, 6])
    assert [m.multiplier for m in moves] == [1.618] * 3 + [1.0] + [0.618] * 2


def test_a_raise_that_made_validation_worse_is_taken_back_once() -> None:
    moves = _moves(arc.Policy(undo=True), [RAISE] * 5, [3.0, 2.0, 2.5, 2.0, 1.0])
    up = 1.618
    assert [m.multiplier for m in moves] == pytest.approx([up, up**2, 1 / up**2, up, up])
    assert moves[2].action is arc.Action.LOWER and "taken back" in moves[2].note


@pytest.mark.parametrize("vals", [[], [1.0], [1.0, None], [None, 1.0], [2.0, 1.0], [1.0, 1.0]])
def test_nothing_is_undone_without_a_worse_validation(vals: list[float | None]) -> None:
    policy = arc.Policy()
    raised = decide(policy, Memory(), RAISE).after._replace(multiplier=1.618)
    assert decide(policy, raised, RAISE, vals).action is arc.Action.RAISE


def test_an_unsure_decision_becomes_a_keep() -> None:
    moves = _moves(arc.Policy(min_confidence=0.5), [(0.4, 0.3, 0.3), RAISE])
    assert moves[0][:3] == (arc.Action.KEEP, 1.0, "below min_confidence=0.5")
    assert moves[1].action is arc.Action.RAISE


@pytest.mark.parametrize(
    "settings",
    [
        {"acceleration": 0},
        {"acceleration": 1.5},
        {"acceleration": True},
        {"conviction": 1.0},
        {"conviction": -0.1},
        {"hesitation": 0.0},
        {"hesitation": 1.1},
        {"hesitation": True},
        {"undo": 1},
        {"min_confidence": -0.1},
        {"min_confidence": 1.0},
        {"min_confidence": float("nan")},
        {"anneal": 1.0},
        {"anneal": "0.2"},
    ],
)
def test_bad_rules_are_shown(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"got {next(iter(settings))}="):
        arc.Policy(**settings)


def test_policies_have_names() -> None:
    assert get("paper") == PAPER
    assert get("default") == arc.Policy()
    with pytest.raises(ValueError, match="got policy='papr'"):
        get("papr")


@pytest.mark.parametrize(
    "extra", [{"total_calls": 9}, {"min_lr": 1e-5}, {"max_lr": 1.0}, {"warmup": 3}, {"rollback": True}]
)
def test_the_paper_has_nothing_around_it(network: arc.Network, extra: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="policy='paper'"):
        arc.Controller(optimizer(0.1), network=network, policy="paper", **extra)


def test_the_last_epochs_anneal_linearly(answering: Answering) -> None:
    sgd = optimizer(1.0)
    controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), period=3, total_calls=20)
    lrs = []
    for e in range(20):
        epoch(controller, falling(e))
        lrs.append(lr_of(sgd))
    # The last 4 of 20 epochs (the 17th follows the 16th call) fall in steps of a fifth.
    assert lrs == pytest.approx([1.0] * 15 + [0.8, 0.6, 0.4, 0.2] + [0.2])
    assert "anneal" in controller.decisions[-1].reason


def test_past_the_total_it_says_so_once_and_decides_from_where_the_lr_is(answering: Answering) -> None:
    """As where ``total_calls`` is the number of epochs and an evaluation comes every few steps."""
    sgd = optimizer(1.0)
    controller = arc.Controller(sgd, network=answering(arc.Action.RAISE), period=3, total_calls=4)
    for e in range(4):
        epoch(controller, falling(e))
    annealed = lr_of(sgd)
    assert annealed == 0.5
    with pytest.warns(RecoveryWarning, match="past total_calls=4: the final anneal is over and has left"):
        epoch(controller, falling(4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for e in range(5, 10):
            epoch(controller, falling(e))
    assert [d.epoch for d in controller.decisions] == [3, 7, 10]
    assert controller.decisions[1].lr_before == (annealed,) and lr_of(sgd) > 1.618 * annealed
    assert "over 3 epochs" in controller.decisions[1].reason  # nothing from before the anneal is looked at


def test_past_the_total_no_anneal_is_to_come(answering: Answering) -> None:
    sgd = optimizer(1.0)
    policy = arc.Policy(anneal=0.25, conviction=0.999)
    controller = arc.Controller(
        sgd, network=answering(arc.Action.LOWER), policy=policy, period=1, total_calls=4
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecoveryWarning)
        for e in range(5):
            epoch(controller, falling(e))
    factors = [d.multiplier for d in controller.decisions]
    assert factors == pytest.approx([0.618**0.5, 0.618**0.5, 0.5, 0.618])


def test_the_old_name_of_the_total_is_understood(answering: Answering) -> None:
    with pytest.warns(FutureWarning, match="write total_calls="):
        controller = arc.Controller(optimizer(1.0), network=answering(arc.Action.KEEP), total_epochs=4)
    assert controller.settings.total_calls == 4
    with pytest.warns(FutureWarning, match="total_calls"):
        assert controller.settings.total_epochs == 4
    with pytest.raises(ValueError, match="total_epochs=5, its old name"):
        arc.Controller(optimizer(1.0), network=answering(arc.Action.KEEP), total_calls=4, total_epochs=5)


def test_without_a_budget_nothing_anneals(answering: Answering) -> None:
    sgd = optimizer(1.0)
    controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), period=1)
    for e in range(20):
        epoch(controller, falling(e))
    assert lr_of(sgd) == 1.0
