"""A net of which most parameters have stopped to move is dead, however its loss falls."""

import copy
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import arc
from arc.recovery.pulse import ALIVE, Pulse
from tests.arc.conftest import Answering

pytestmark = pytest.mark.filterwarnings("ignore::arc.decision.RecoveryWarning")

NORMS = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20)


def beat(pulse: Pulse, norms: list[float], lr: float = 0.1) -> float:
    return pulse.beat(np.array(norms), np.full(len(norms), lr))[0]


@given(NORMS, st.floats(1e-6, 1e6), st.floats(1e-6, 1), st.floats(1e-6, 1e6))
def test_neither_an_lr_nor_a_gradient_that_fades_counts(
    norms: list[float], lr: float, fade: float, change: float
) -> None:
    pulse = Pulse()
    assert beat(pulse, norms, lr) == pytest.approx(1)
    assert beat(pulse, [change * n for n in norms], change * lr) == pytest.approx(1)
    assert beat(pulse, [fade * n for n in norms], lr) == pytest.approx(1)


@given(NORMS.filter(lambda norms: len(norms) >= 5), st.floats(1, 1e6))
def test_a_net_of_which_two_thirds_have_nearly_stopped_is_dead(norms: list[float], faster: float) -> None:
    pulse = Pulse()
    beat(pulse, norms)
    slow = math.ceil(2 / 3 * len(norms))
    assert beat(pulse, [1e-6 * n for n in norms[:slow]] + [faster * n for n in norms[slow:]]) < ALIVE
    pulse.restart()
    assert beat(pulse, norms) == pytest.approx(1)


@given(NORMS.filter(lambda norms: len(norms) >= 5), st.floats(1, 1e6))
def test_a_few_parameters_that_get_fast_are_no_reason(norms: list[float], faster: float) -> None:
    pulse = Pulse()
    beat(pulse, norms)
    few = len(norms) // 3
    assert beat(pulse, [faster * n for n in norms[:few]] + norms[few:]) > 0.9


def test_what_stood_still_or_has_no_lr_says_nothing() -> None:
    """Frozen parameters, groups at LR 0, tensors without a gradient, coarse precision."""
    pulse = Pulse()
    assert math.isnan(beat(pulse, [])) and math.isnan(beat(pulse, [0.0]))
    pulse.restart()
    assert beat(pulse, [1.0, 0.0, 2.0]) == 1
    assert pulse.beat(np.array([0.0, 0.0, 2.0]), np.full(3, 0.1)) == (1, pytest.approx(0.5 / 0.9))
    lrs = np.array([0.0, 0.1, 0.1])
    assert pulse.beat(np.array([1e-9, 3.0, 2.0]), lrs) == (1, 1)
    assert math.isnan(beat(pulse, [math.nan, 0.0, 0.0])) and math.isnan(beat(pulse, [1.0, 1.0, 1.0], 0.0))


def test_each_parameter_is_measured_by_its_own_lr() -> None:
    pulse = Pulse()
    pulse.beat(np.array([1.0, 1.0, 1.0]), np.array([0.1, 0.1, 0.1]))
    faded = np.array([1e-4, 1e-4, 1.0])  # two groups whose schedule has all but ended
    assert pulse.beat(faded, np.array([1e-5, 1e-5, 0.1])) == (pytest.approx(1), pytest.approx(1))


class Training:
    """A small classifier under ``rollback``; every step of an epoch sees all the data."""

    def __init__(self, network: arc.Network, *, lr: float = 0.1, **settings: Any) -> None:
        torch.manual_seed(0)
        widths = (4, 16, 16, 16)
        linear = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
        hidden = [module for layer in linear for module in (layer, nn.ReLU())]
        self.last_hidden = linear[-1]
        self.model = nn.Sequential(*hidden, nn.Linear(16, 2))
        self.start = copy.deepcopy(self.model.state_dict())
        self.sgd = torch.optim.SGD(self.model.parameters(), lr=lr, momentum=0.9)
        settings = {"rollback": True, "period": 100} | settings
        self.controller = arc.Controller(self.sgd, network=network, model=self.model, **settings)
        self.x = torch.randn(64, 4)
        self.y = (self.x[:, 0] * self.x[:, 1] > 0).long()

    def epoch(self) -> arc.Decision | None:
        for _ in range(10):
            self.sgd.zero_grad()
            loss = nn.functional.cross_entropy(self.model(self.x), self.y)
            loss.backward()
            self.sgd.step()
            self.controller.record(loss.detach())
        return self.controller.step()

    def kill(self) -> None:
        """What too large a step does: no hidden unit is active any more."""
        nn.init.constant_(self.last_hidden.bias, -100.0)

    def until_restarted(self) -> arc.Decision:
        """The decision that finds it dead; what the momentum still carries fades first."""
        for _ in range(20):
            decision = self.epoch()
            if decision and decision.restored == 0:
                return decision
        raise AssertionError("nobody saw it")

    @property
    def at_start(self) -> bool:
        return all(torch.equal(v, self.start[k]) for k, v in self.model.state_dict().items())


@pytest.fixture(params=["memory", "files"])
def rollback(request: Any, tmp_path: Path) -> Any:
    return True if request.param == "memory" else tmp_path / "states"


@pytest.mark.parametrize("alive", [1, 8])
def test_a_dead_net_starts_again_at_a_lower_lr(answering: Answering, rollback: Any, alive: int) -> None:
    training = Training(answering(arc.Action.KEEP), rollback=rollback, period=1, lr=0.002)
    for _ in range(alive):  # 8 calls are beyond the start
        training.epoch()
    training.kill()
    decision = training.until_restarted()
    assert decision.action is arc.Action.LOWER
    assert decision.reason.endswith("went back to the initial state")
    assert training.at_start and training.sgd.param_groups[0]["lr"] == pytest.approx(0.0002)
    for _ in range(8):
        training.epoch()
    assert not training.at_start
    assert "dead" not in training.controller.decisions[-1].reason


def test_a_net_that_has_learned_all_is_not_dead(answering: Answering) -> None:
    training = Training(answering(arc.Action.KEEP))
    for _ in range(150):
        training.epoch()
    assert [d.epoch for d in training.controller.decisions] == [100]
    with torch.no_grad():
        assert nn.functional.cross_entropy(training.model(training.x), training.y) < 1e-3


def test_frozen_layers_are_not_dead(answering: Answering) -> None:
    training = Training(answering(arc.Action.KEEP))
    training.epoch()
    for parameter in training.model[:-1].parameters():
        parameter.requires_grad_(False)
    training.sgd.state.clear()  # their momentum
    assert [training.epoch() for _ in range(5)] == [None] * 5


@pytest.mark.parametrize("settings", [{"total_calls": 50}, {"rollback": False}])
def test_in_the_anneal_and_without_rollback_nobody_looks(
    answering: Answering, settings: dict[str, Any]
) -> None:
    training = Training(answering(arc.Action.KEEP), lr=0.002, **settings)
    for _ in range(40):  # a fifth is left, which anneals
        training.epoch()
    training.kill()
    for _ in range(10):
        training.epoch()
    assert not any("dead" in d.reason for d in training.controller.decisions)
    assert not training.at_start


def test_a_dead_net_is_seen_after_a_resume_too(answering: Answering) -> None:
    training = Training(answering(arc.Action.KEEP))
    for _ in range(3):
        training.epoch()
    training.kill()
    resumed = Training(answering(arc.Action.KEEP))
    resumed.model.load_state_dict(training.model.state_dict())
    resumed.controller.load_state_dict(training.controller.state_dict())
    resumed.until_restarted()
    assert resumed.at_start
