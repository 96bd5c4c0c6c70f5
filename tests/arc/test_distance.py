"""The policy on the estimated distance, and the controller that has a network for it."""

import math
from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc import decider
from arc.actions import Estimate
from arc.decision import RecoveryWarning
from arc.history.course import Call, Course
from arc.history.observation import observe
from arc.network import weights
from arc.network.estimator import Answer, Estimator
from arc.policy import distance as rules
from arc.policy.default import Policy
from arc.policy.distance import (
    AT_SPEED,
    CERTAIN,
    EARLY,
    HIGH,
    KEEPS,
    LOW,
    SETTLED,
    SHARE,
    STILL,
    approach,
    decide,
    falls,
    overfitting,
)
from arc.policy.probabilities import Move
from tests.arc.helpers import fit_sums


def after(calls: int, vals: list[float] | None = None, trains: list[float] | None = None) -> Course:
    course = Course()
    for i in range(calls):
        mean = trains[i] if trains else 1.0
        val = vals[i] if vals else None
        course.add(Call(lr=0.1, steps=10, means=[mean] * 5, spreads=[0.0] * 5, val_loss=val))
    return course


def move(distance: float, calls: int = 3, **more: Any) -> float:
    settings = {"anneals": True, "overfits": None} | more
    found = approach(distance, after(calls), **settings)
    return 1.0 if found is None else found.multiplier


def test_one_move_goes_most_of_the_way() -> None:
    assert move(-2.0) == pytest.approx(10 ** (2 * SHARE))
    assert move(1.5) == pytest.approx(10 ** (-1.5 * SHARE))


def decided(distance: float, calls: int, *, anneals: bool, scheduled: bool = False) -> Move | None:
    call = Call(lr=0.1, steps=10, epoch=7, kept=10, estimate=Estimate((0.0, 1.0, 0.0), distance))
    return decide(call, after(calls), policy=Policy(), period=3, anneals=anneals, scheduled=scheduled)


@pytest.mark.parametrize(
    "distance, factor", [(0.0, 10**-SHARE), (-1.0, 1), (-1.5, 10 ** (0.5 * SHARE)), (1.0, 10 ** (-2 * SHARE))]
)
def test_without_an_anneal_to_come_the_lr_aimed_at_falls_to_a_tenth(distance: float, factor: float) -> None:
    found = decided(distance, 20 * AT_SPEED, anneals=False)
    assert (1 if found is None else found.multiplier) == pytest.approx(factor)
    assert falls(1) == falls(AT_SPEED) == 0
    assert falls(2 * AT_SPEED) == pytest.approx(math.log10(2))
    if found is not None:
        assert "0.1 of the best LR is aimed at" in found.note


def test_beside_a_schedule_of_the_users_nothing_falls() -> None:
    assert decided(0.0, 20 * AT_SPEED, anneals=False, scheduled=True) is None


def test_near_the_best_lr_nothing_moves() -> None:
    for distance in (-LOW + 0.01, 0.0, HIGH - 0.01):
        assert move(distance) == 1


def test_the_first_call_tells_only_what_is_plain() -> None:
    assert move(-CERTAIN + 0.1, calls=1) == 1
    assert move(-CERTAIN - 0.1, calls=1) > 1


def test_calls_of_a_single_step_tell_nothing_before_ten_of_them() -> None:
    """Momentum is not at its speed: the weights seem to move too little, and a raise would ruin the net."""
    course = Course()
    for i in range(1, 13):
        course.add(Call(lr=0.1, steps=1, means=[1.0], spreads=[0.0]))
        found = approach(-2.0, course, anneals=True, overfits=None)
        assert (found is None) == (i < SETTLED)


def test_late_a_high_lr_is_left_to_the_anneal() -> None:
    assert move(1.0, calls=EARLY + 1) == 1
    assert move(1.0, calls=EARLY + 1, anneals=False) < 1


@pytest.mark.parametrize("distance, factor", [(2.0, KEEPS), (0.0, KEEPS), (STILL + 0.1, KEEPS), (STILL, 1)])
def test_while_it_overfits_the_lr_falls_at_every_call_until_weights_stand_still(
    distance: float, factor: float
) -> None:
    assert move(distance, overfits=3, calls=1) == move(distance, overfits=3, calls=EARLY + 1) == factor


def test_no_raise_comes_near_what_broke_the_run() -> None:
    assert move(-2.0, most=3.0) == 3.0
    assert move(-2.0, most=0.5) == 1


@pytest.mark.parametrize("most, factor", [(math.inf, 1.618), (1.7, 1.618), (1.6, 1.0), (1.0, 1.0)])
def test_the_networks_raise_keeps_away_from_it_too(most: float, factor: float) -> None:
    call = Call(lr=0.1, steps=10, epoch=9, kept=10, estimate=Estimate((0.8, 0.1, 0.1), -0.1))
    found = decide(call, after(9), policy=Policy(), period=3, anneals=True, most=most)
    assert found is not None and found.multiplier == factor


@pytest.mark.parametrize("anneals", [True, False])
def test_near_the_best_lr_the_network_lowers_nothing(anneals: bool) -> None:
    call = Call(lr=0.1, steps=10, epoch=9, kept=10, estimate=Estimate((0.1, 0.1, 0.8), 0.3))
    found = decide(call, after(9), policy=Policy(), period=3, anneals=anneals)
    assert found is not None and found.multiplier == 1.0


def test_overfitting_is_a_risen_validation_loss_while_training_falls() -> None:
    rising, falling = [3.0, 1.0, 1.5, 2.0, 2.5], [5.0, 4.0, 3.0, 2.0, 1.0]
    assert overfitting(after(5, rising, falling), noise=0.1) == 3
    assert overfitting(after(5, rising, falling), noise=1.0) is None, "within the noise"
    assert overfitting(after(5, [3.0, 1.0, 1.5, 1.0, 2.5], falling), noise=0.1) is None, (
        "one call may be an outlier"
    )
    assert overfitting(after(5, rising, rising), noise=0.1) is None, "training has risen as well"
    assert overfitting(after(5, rising, falling), noise=math.inf) is None
    assert overfitting(after(5), noise=0.1) is None
    plateau = [2.31, 2.30, 2.31, 2.315, 2.315]
    assert overfitting(after(5, plateau, falling), noise=0.001) is None, "less than two per cent"


def saying(distance: float) -> Estimator:
    """A network that always says so."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Estimator().eval()
    last: Any = network.dense[2]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    last.bias.data[3] = distance
    last.bias.data[1] = 5.0
    return network


def drive(network: Estimator, calls: int, lr: float = 1e-3, **settings: Any) -> arc.Controller:
    torch.manual_seed(0)
    layer = nn.Linear(5, 1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=lr)
    controller = arc.Controller(optimizer, network=network, verbose=False, **settings)
    x = torch.randn(64, 5)
    for _ in range(calls):
        controller.step(fit_sums(layer, optimizer, x, 12, controller.record).item())
    return controller


def test_the_first_decision_comes_at_once_where_the_lr_is_far_too_low() -> None:
    controller = drive(saying(-1.5), calls=1)
    (first,) = controller.decisions
    assert first.epoch == 1 and first.multiplier == pytest.approx(10 ** (1.5 * SHARE))
    assert "LR about 32 times too low" in first.reason and "the weights move" in first.reason


def test_a_start_far_too_high_begins_again() -> None:
    with pytest.warns(RecoveryWarning, match="32 times too high"):
        controller = drive(saying(1.5), calls=1, lr=0.03)
    (first,) = controller.decisions
    assert first.source == "restart" and first.restored == 0 and "too high" in first.reason
    assert first.multiplier == pytest.approx(10 ** (-0.8 * 1.5))


class Changing(Estimator):
    """Says one distance after the other; by default far too high first, and far too low ever after."""

    def __init__(self, *distances: float) -> None:
        super().__init__()
        self.answers = iter([saying(d) for d in distances or (1.5, *[-3.0] * 9)])

    def forward(self, windows: torch.Tensor, numbers: torch.Tensor) -> Answer:
        return next(self.answers)(windows, numbers)


def test_what_was_too_high_is_not_tried_again() -> None:
    with pytest.warns(RecoveryWarning, match="too high"):
        controller = drive(Changing(), calls=4, lr=0.03)
    raises = [d.lr_after[0] for d in controller.decisions if d.action is arc.Action.RAISE]
    assert raises and max(raises) == pytest.approx(0.03 * 10**-0.5)


def test_of_a_state_that_is_put_back_the_network_sees_what_came_before_it() -> None:
    """The calls in between are of other weights: what they tell of the LR is wrong."""
    with pytest.warns(RecoveryWarning, match="100 times too high, went back"):
        controller = drive(Changing(0.0, 0.0, -2.0, 2.0, 0.0), calls=5, lr=0.03)
    back = next(d for d in controller.decisions if d.source == "trial")
    assert (back.epoch, back.restored) == (4, 3)
    course = controller._decider.course
    assert course.count == 4 and [c.lr for c in course.calls] == pytest.approx([0.03] * 4, rel=0.1)


def test_near_the_best_lr_the_actions_decide_once_a_period() -> None:
    controller = drive(saying(0.0), calls=6, period=3)
    assert [d.epoch for d in controller.decisions] == [3, 6]
    assert {d.action for d in controller.decisions} == {arc.Action.KEEP}


def test_past_the_total_no_end_and_no_anneal_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    anneals, gone = [], []

    def approach_(*_: Any, **told: Any) -> None:
        anneals.append(told["anneals"])

    def observe_(course: Course, share: float | None) -> Any:
        gone.append(share)
        return observe(course, share)

    monkeypatch.setattr(rules, "approach", approach_)
    monkeypatch.setattr(decider, "observe", observe_)
    with pytest.warns(RecoveryWarning, match="past total_calls=5"):
        drive(saying(0.0), calls=7, period=1, total_calls=5)
    assert gone == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, None, None])
    assert anneals == [True] * 3 + [False] * 2, "the fourth and fifth call are the anneal's"


def test_a_network_of_this_kind_is_saved_and_loaded(tmp_path: Any) -> None:
    network = saying(0.5)
    weights.save(network, tmp_path / "c", {"seed": 0}, "# card\n")
    again = weights.load(tmp_path / "c")
    assert isinstance(again, Estimator)
    windows, numbers = torch.randn(3, 100, 4), torch.randn(3, len(network.centre))
    for ours, theirs in zip(network(windows, numbers), again(windows, numbers), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert sum(p.numel() for p in again.parameters()) < 80_000


def test_decisions_are_the_same_after_a_resume() -> None:
    network = saying(-0.6)
    torch.manual_seed(0)
    first = drive(network, calls=4, min_lr=1e-4, max_lr=1e-2)
    state = first.state_dict()
    layer = nn.Linear(5, 1)
    second = arc.Controller(
        torch.optim.Adam(layer.parameters(), lr=1e-3),
        network=network,
        verbose=False,
        min_lr=1e-4,
        max_lr=1e-2,
    )
    second.load_state_dict(state)
    assert second.state_dict()["decider"]["course"] == state["decider"]["course"]
    assert second.decisions == first.decisions


def test_weights_that_stand_still_say_nothing() -> None:
    """No gradient reaches the optimizer's parameters: the LR stays, whatever the network would say."""
    layer = nn.Linear(3, 1)
    controller = arc.Controller(
        torch.optim.SGD(layer.parameters(), lr=0.1), network=saying(-2.0), verbose=False
    )
    for _ in range(6):
        for _ in range(12):
            controller.record(1.0)
        controller.step(1.0)
    assert [d.epoch for d in controller.decisions] == [3, 6]
    assert {d.action for d in controller.decisions} == {arc.Action.KEEP}
    assert controller.decisions[0].reason == "the weights stand still"
    assert controller.decisions[0].distance is None
