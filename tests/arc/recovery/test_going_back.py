"""Going back, with real nets: what is restored, what stays, what the user is told."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc.decision import RecoveryWarning
from arc.recovery import room
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling, lr_of

pytestmark = pytest.mark.filterwarnings("ignore::arc.decision.RecoveryWarning")


def net(value: float) -> nn.Linear:
    made = nn.Linear(4, 1, bias=False)
    nn.init.constant_(made.weight, value)
    return made


@pytest.fixture(params=["memory", "files", "auto"])
def rollback(request: Any, tmp_path: Path) -> Any:
    return {"memory": True, "files": tmp_path / "states", "auto": "auto"}[request.param]


def trained(model: nn.Linear, optimizer: Any, controller: arc.Controller, calls: int) -> None:
    for e in range(calls):
        optimizer.zero_grad()
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()
        epoch(controller, falling(e))


def break_(model: nn.Linear, optimizer: Any) -> None:
    optimizer.zero_grad()
    model(torch.full((1, 4), math.inf)).sum().backward()
    optimizer.step()
    assert not model.weight.isfinite().all()


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
    assert lr_of(adam) == pytest.approx(0.1 * 0.618**3)


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


def normed() -> nn.Sequential:
    """A net with running statistics."""
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))


def told_of_buffers(caught: pytest.WarningsRecorder) -> list[str]:
    return [str(w.message) for w in caught if "model=net" in str(w.message)]


@pytest.mark.filterwarnings("always::arc.decision.RecoveryWarning")
@pytest.mark.parametrize("given", [False, True])
def test_what_a_bad_batch_left_in_buffers_is_told_where_they_are_not_kept(
    answering: Answering, recwarn: pytest.WarningsRecorder, given: bool
) -> None:
    model = normed()
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    controller = arc.Controller(
        adam, network=answering(arc.Action.KEEP), period=1, model=model if given else None
    )
    for e in range(12):
        model(torch.randn(8, 4))
        epoch(controller, falling(e))
    model(torch.full((8, 4), math.nan))
    with torch.no_grad():
        model[0].weight.fill_(math.nan)
    epoch(controller, [math.nan] * 10)
    assert bool(model[1].running_mean.isfinite().all()) == given  # type: ignore[operator, union-attr]
    for e in range(3):
        epoch(controller, falling(e), val_loss=math.nan)
    assert len(told_of_buffers(recwarn)) == (not given)  # once
    assert all("helpers" in w.filename for w in recwarn)


@pytest.mark.filterwarnings("always::arc.decision.RecoveryWarning")
@pytest.mark.parametrize("rollback", [False, True])
def test_a_validation_that_alone_is_not_finite_names_the_buffers(
    answering: Answering, recwarn: pytest.WarningsRecorder, rollback: bool
) -> None:
    """Batches that a GradScaler skipped leave the weights finite. Without copies no model= would help."""
    model = normed()
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    controller = arc.Controller(adam, network=answering(arc.Action.KEEP), rollback=rollback)
    epoch(controller, [1.0, math.nan, *falling(0)], val_loss=math.nan)
    assert not told_of_buffers(recwarn)
    for e in range(3):
        epoch(controller, falling(e), val_loss=math.nan)
    told = told_of_buffers(recwarn)
    assert len(told) == rollback
    assert all(text.startswith("call 2: a validation loss is not finite where all training") for text in told)
    assert all("helpers" in w.filename for w in recwarn)


def test_without_room_the_lr_alone_is_guarded_and_that_is_said(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "free_memory", lambda: 100)
    model = net(1.0)
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    with pytest.warns(RecoveryWarning, match="rollback=True keeps them all the same"):
        controller = arc.Controller(sgd, network=answering(arc.Action.KEEP))
    break_(model, sgd)
    decision = epoch(controller, [math.nan])
    assert decision is not None and decision.restored is None
    assert lr_of(sgd) == pytest.approx(0.618**3)
    made = arc.Controller(sgd, network=answering(arc.Action.KEEP), rollback=True)
    assert made.state_dict()["decider"]["copies"]["names"] == {"initial": 0}


def test_there_are_two_copies_at_most_and_one_after_the_start(answering: Answering) -> None:
    model = net(1.0)
    sgd = torch.optim.SGD(model.parameters(), lr=1e-3)
    controller = arc.Controller(sgd, network=answering(arc.Action.RAISE), period=1, total_calls=40)
    kept = []
    for _ in range(30):
        trained(model, sgd, controller, 1)
        kept.append(sorted(controller.state_dict()["decider"]["copies"]["names"]))
    assert kept[0] == ["good", "initial"]
    assert max(map(len, kept)) == 2
    assert kept[-1] == ["good"]


def _raised(answering: Answering, model: nn.Linear) -> tuple[arc.Controller, torch.optim.SGD]:
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    policy = arc.Policy(acceleration=1)
    return arc.Controller(sgd, network=answering(arc.Action.RAISE), policy=policy, period=5), sgd


def noisy(level: float) -> list[float]:
    return [level + 0.01 * math.sin(37 * i) for i in range(40)]


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


@pytest.mark.parametrize(
    "first, then",
    [(True, False), (False, True), (True, "folder"), ("folder", True), ("folder", False), (False, "folder")],
)
def test_a_resume_with_other_protection_goes_on(
    answering: Answering, tmp_path: Path, first: Any, then: Any
) -> None:
    """What is kept and what is asked for may differ: nothing raises, then or later."""

    def make(model: nn.Linear, how: Any) -> tuple[arc.Controller, Any]:
        sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        place = tmp_path / "states" if how == "folder" else how
        return arc.Controller(sgd, network=answering(arc.Action.KEEP), period=1, rollback=place), sgd

    model = net(1.0)
    controller, sgd = make(model, first)
    trained(model, sgd, controller, 3)
    state = controller.state_dict()
    controller, sgd = make(model, then)
    controller.load_state_dict(state)
    trained(model, sgd, controller, 8)
    break_(model, sgd)
    decision = epoch(controller, [math.nan])
    assert decision is not None and (decision.restored is not None) == (then is not False)
    assert bool(model.weight.isfinite().all()) == (then is not False)


@pytest.mark.parametrize("calls", [3, 12])
def test_a_run_that_breaks_right_after_protection_was_switched_on_guards_the_lr(
    answering: Answering, calls: int
) -> None:
    """There is no copy yet: nothing raises or claims to have gone back; the next good call is kept."""

    def make(how: bool) -> tuple[arc.Controller, Any]:
        sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        return arc.Controller(sgd, network=answering(arc.Action.KEEP), period=1, rollback=how), sgd

    model = net(1.0)
    controller, sgd = make(False)
    trained(model, sgd, controller, calls)
    state = controller.state_dict()
    controller, sgd = make(True)
    controller.load_state_dict(state)
    break_(model, sgd)
    decision = epoch(controller, [math.nan])
    assert decision is not None and decision.restored is None and "went back" not in decision.reason
    nn.init.constant_(model.weight, 1.0)
    epoch(controller, falling(calls))
    break_(model, sgd)
    decision = epoch(controller, [math.nan])
    assert decision is not None and decision.restored == calls + 2


@pytest.mark.parametrize("change", ["add", "lazy"])
def test_parameters_that_come_later_are_no_trouble(answering: Answering, change: str) -> None:
    model = net(1.0)
    lazy = nn.LazyLinear(2)
    sgd = torch.optim.SGD([*model.parameters(), *(lazy.parameters() if change == "lazy" else ())], lr=0.1)
    controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), period=1)
    trained(model, sgd, controller, 2)
    lazy(torch.ones(1, 3))
    if change == "add":
        sgd.add_param_group({"params": lazy.parameters()})
    trained(model, sgd, controller, 10)
    break_(model, sgd)
    decision = epoch(controller, [math.nan])
    assert decision is not None and decision.restored == 12
    assert model.weight.isfinite().all()


def test_making_a_controller_leaves_the_global_random_state(shipped: Path) -> None:
    model = net(1.0)
    modes: list[dict[str, Any]] = [{}, {"mode": "advise"}]
    for settings in modes:
        before = torch.get_rng_state()
        arc.Controller(torch.optim.SGD(model.parameters(), lr=0.1), **settings)
        assert torch.equal(torch.get_rng_state(), before)


def test_default_types_and_devices_do_not_matter(answering: Answering) -> None:
    network = answering(arc.Action.KEEP)

    def decide() -> arc.Decision | None:
        controller = arc.Controller(torch.optim.SGD(net(1.0).parameters(), lr=0.1), network=network, period=1)
        return epoch(controller, falling(0))

    plain = decide()
    contexts: list[Callable[[], Any]] = [lambda: torch.set_default_dtype(torch.float64)]
    try:
        for enter in contexts:
            enter()
            found = decide()
    finally:
        torch.set_default_dtype(torch.float32)
    assert plain is not None and found is not None
    assert found.action is plain.action
