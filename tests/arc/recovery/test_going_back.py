"""Going back: the last good state, the initial one, a raise that is taken back."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc.decision import RecoveryWarning
from arc.history.course import Call
from arc.optimizers.handle import Optimizers
from arc.recovery.going_back import BELOW, GoingBack
from arc.recovery.phases import RESCUE
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, lr_of
from tests.arc.recovery.ruined import break_, net, noisy, trained

pytestmark = pytest.mark.filterwarnings("ignore::arc.decision.RecoveryWarning")


@pytest.fixture(params=["memory", "files", "auto"])
def rollback(request: Any, tmp_path: Path) -> Any:
    return {"memory": True, "files": tmp_path / "states", "auto": "auto"}[request.param]


def test_the_last_good_state_comes_back_in_place(answering: Answering, rollback: Any) -> None:
    model = net(1.0)
    adam = torch.optim.Adam(model.parameters(), lr=0.1)
    controller = arc.Controller(adam, network=answering(arc.Action.KEEP), period=1, rollback=rollback)
    trained(model, adam, controller, 10)
    good, place = model.weight.detach().clone(), model.weight.data_ptr()
    moments = {k: v.clone() for k, v in adam.state[model.weight].items()}
    break_(model, adam)
    decision = epoch(controller, [1.0])  # its loss was finite: the weights tell
    assert decision is not None
    assert decision.reason == "the weights are not finite, went back to the last good state"
    assert (decision.source, decision.restored) == ("guard", 10)
    torch.testing.assert_close(model.weight.detach(), good)
    assert model.weight.data_ptr() == place
    for key, moment in moments.items():
        torch.testing.assert_close(adam.state[model.weight][key], moment)
    assert lr_of(adam) == pytest.approx(0.1 * RESCUE)


def test_in_the_start_the_initial_state_comes_back(answering: Answering, rollback: Any) -> None:
    model = net(1.0)
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), period=2, rollback=rollback)
    break_(model, sgd)
    decision = epoch(controller, [2.3, math.nan, math.nan])
    assert decision is not None and decision.reason.endswith("went back to the initial state")
    assert (decision.source, decision.restored) == ("restart", 0)
    assert model.weight.tolist() == [[1.0] * 4]
    assert lr_of(sgd) == pytest.approx(0.1)


def test_the_user_is_told_of_every_restore(answering: Answering) -> None:
    model = net(1.0)
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    controller = arc.Controller(sgd, network=answering(arc.Action.KEEP))
    for call in (1, 2):
        break_(model, sgd)
        with pytest.warns(RecoveryWarning, match=f"call {call}: the weights are not finite"):
            epoch(controller, [2.3])


def test_what_the_user_changed_is_not_taken_back(answering: Answering) -> None:
    model, lr = net(1.0), torch.tensor(0.1)
    adam = torch.optim.Adam(model.parameters(), lr=lr, foreach=False)
    controller = arc.Controller(adam, network=answering(arc.Action.KEEP))
    adam.param_groups[0]["betas"] = (0.8, 0.9)
    adam.param_groups[0]["weight_decay"] = 0.3
    break_(model, adam)
    epoch(controller, [math.nan])
    assert adam.param_groups[0]["lr"] is lr and lr.item() == pytest.approx(0.01)
    assert adam.param_groups[0]["betas"] == (0.8, 0.9) and adam.param_groups[0]["weight_decay"] == 0.3


class Counter:
    """Something beside the model that has a state, as a scaler has."""

    def __init__(self) -> None:
        self.value = 0

    def state_dict(self) -> dict[str, int]:
        return {"value": self.value}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.value = state["value"]


def test_buffers_and_further_objects_come_along(answering: Answering) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = Counter()
    controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), model=model, extra_state=[scaler])
    scaler.value = 7
    model[1].running_mean.fill_(5.0)  # type: ignore[union-attr, operator]
    with torch.no_grad():
        model[0].weight.fill_(math.nan)  # type: ignore[union-attr, operator]
    epoch(controller, [math.nan])
    assert scaler.value == 0
    assert model[1].running_mean.tolist() == [0.0] * 3  # type: ignore[union-attr]
    with pytest.raises(TypeError, match="extra_state"):
        arc.Controller(sgd, network=answering(arc.Action.KEEP), extra_state=[3])


def _raised(answering: Answering, model: nn.Linear) -> tuple[arc.Controller, torch.optim.SGD]:
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    return arc.Controller(sgd, network=answering(arc.Action.RAISE), period=5), sgd


def test_a_raise_that_made_all_losses_worse_is_undone_with_its_state(answering: Answering) -> None:
    """Also after a resume in between."""

    def run(resume: bool) -> tuple[Any, list[list[float]], float]:
        model = net(1.0)
        controller, sgd = _raised(answering, model)
        for e in range(5):
            nn.init.constant_(model.weight, 1.0 + 0.01 * e)
            epoch(controller, noisy(2.0 - 0.1 * e), val_loss=2.0 - 0.1 * e)
        assert lr_of(sgd) == pytest.approx(0.1618)
        if resume:
            saved, other = (controller.state_dict(), sgd.state_dict()), net(5.0)
            other.load_state_dict(model.state_dict())
            model = other
            controller, sgd = _raised(answering, model)
            controller.load_state_dict(saved[0])
            sgd.load_state_dict(saved[1])
        made = None
        for _ in range(5):
            nn.init.constant_(model.weight, 50.0)
            made = epoch(controller, noisy(1.72), val_loss=1.8) or made
            if made is not None:
                break
        return made, model.weight.tolist(), lr_of(sgd)

    for resume in (False, True):
        decision, weights, lr = run(resume)
        assert decision.source == "trial" and decision.restored == 5
        assert weights == [[pytest.approx(1.04)] * 4]
        assert lr == pytest.approx(0.1)


def test_while_a_raise_is_on_trial_there_is_no_other_and_none_comes_near_what_broke() -> None:
    settings = arc.Controller(torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)).settings
    sgd = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.5)
    back = GoingBack(settings, Optimizers(sgd), None)
    call = Call(lr=0.5, steps=10, epoch=1, mean=1.0)
    assert back.most(call) == math.inf
    back.stay_below(1.0)
    assert back.most(call) == pytest.approx(BELOW / 0.5)
    back.moved(call, 1.5)
    assert back.most(call) == 1.0
    other = GoingBack(settings, Optimizers(sgd), None)
    other.load_state_dict(back.state_dict())
    assert other.most(call) == 1.0
