"""Protection: what is kept and told, with and without a model, after a resume and after changes."""

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
from tests.arc.recovery.ruined import break_, net, trained

pytestmark = pytest.mark.filterwarnings("ignore::arc.decision.RecoveryWarning")


def normed() -> nn.Sequential:
    """A net with running statistics."""
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))


@pytest.mark.parametrize("given", [False, True])
def test_what_a_bad_batch_left_in_buffers_is_taken_back(answering: Answering, given: bool) -> None:
    """Without ``model=`` as well: the module is found."""
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
    assert model[1].running_mean.isfinite().all()  # type: ignore[operator, union-attr]


@pytest.mark.filterwarnings("always::arc.decision.RecoveryWarning")
@pytest.mark.parametrize("rollback", [False, True])
def test_a_validation_that_alone_is_not_finite_names_the_buffers(
    answering: Answering, recwarn: pytest.WarningsRecorder, rollback: bool
) -> None:
    """Batches that a GradScaler skipped leave the weights finite, so that there is no reason to go back."""
    model = normed()
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    controller = arc.Controller(adam, network=answering(arc.Action.KEEP), rollback=rollback)
    for e in range(4):
        epoch(controller, falling(e), val_loss=math.nan)
    (told,) = (str(w.message) for w in recwarn if "running statistics" in str(w.message))
    assert told.startswith("call 1: a validation loss is not finite; it is left out")
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
