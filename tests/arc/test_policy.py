"""The rules around the network, on scripted probabilities."""

import warnings
from typing import Any

import pytest

import arc
from arc.decision import RecoveryWarning
from arc.policy.default import PAPER, get
from arc.policy.probabilities import decide
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling, lr_of, optimizer

RAISE, KEEP, LOWER = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)


def test_the_most_probable_action_is_taken() -> None:
    answers = [RAISE, RAISE, KEEP, LOWER, LOWER]
    moves = [decide(policy, answer) for policy in (PAPER, arc.Policy()) for answer in answers]
    assert [m.multiplier for m in moves] == [1.618, 1.618, 1.0, 0.618, 0.618] * 2


def test_an_unsure_decision_becomes_a_keep() -> None:
    policy = arc.Policy(min_confidence=0.5)
    assert decide(policy, (0.4, 0.3, 0.3)) == (arc.Action.KEEP, 1.0, "below min_confidence=0.5")
    assert decide(policy, RAISE).action is arc.Action.RAISE


@pytest.mark.parametrize(
    "settings",
    [
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
    policy = arc.Policy(anneal=0.25)
    controller = arc.Controller(
        sgd, network=answering(arc.Action.LOWER), policy=policy, period=1, total_calls=4
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecoveryWarning)
        for e in range(5):
            epoch(controller, falling(e))
    factors = [d.multiplier for d in controller.decisions]
    assert factors == pytest.approx([0.618, 0.618, 0.5, 0.618])


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
