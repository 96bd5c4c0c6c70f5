"""An interrupted run goes on as if nothing had happened."""

import io
from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc.decision import RecoveryWarning
from arc.saved import VERSION
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling, optimizer

pytestmark = pytest.mark.filterwarnings("ignore::arc.decision.RecoveryWarning")

EPOCHS = 9


def _through_a_file(*states: Any) -> Any:
    file = io.BytesIO()
    torch.save(states, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def _run(
    network: arc.Network, interrupt: tuple[int, int] | None, settings: dict[str, Any]
) -> list[dict[str, Any]]:
    sgd = optimizer(0.1)
    controller = arc.Controller(sgd, network=network, period=2, **settings)
    for e in range(EPOCHS):
        for i, loss in enumerate(falling(e)):
            if (e, i) == interrupt:
                state, optimizer_state = _through_a_file(controller.state_dict(), sgd.state_dict())
                sgd = optimizer(1.0)
                sgd.load_state_dict(optimizer_state)
                controller = arc.Controller(sgd, network=network, period=2, **settings)
                controller.load_state_dict(state)
            controller.record(torch.tensor(loss) if e % 2 else loss)
        controller.step(val_loss=[1.0, 0.5, 2.0, float("nan")][e % 4])
    return [d.as_dict() for d in controller.decisions]


@pytest.mark.parametrize("settings", [{}, {"policy": "paper"}, {"total_calls": EPOCHS, "warmup": 25}])
def test_the_same_decisions_follow_at_any_point(network: arc.Network, settings: dict[str, Any]) -> None:
    unbroken = _run(network, None, settings)
    assert len(unbroken) >= 2
    for e in range(EPOCHS):
        for i in (0, 5):
            assert _run(network, (e, i), settings) == unbroken


def test_a_long_period_resumes_in_the_middle(network: arc.Network) -> None:
    def run(interrupt: int | None) -> list[dict[str, Any]]:
        controller = arc.Controller(optimizer(0.1), network=network, period=1)
        for i in range(5000):
            if i == interrupt:
                (state,) = _through_a_file(controller.state_dict())
                controller = arc.Controller(optimizer(0.1), network=network, period=1)
                controller.load_state_dict(state)
            controller.record(torch.tensor(1.0 / (1 + i)))
        controller.step()
        return [d.as_dict() for d in controller.decisions]

    assert run(3001) == run(None)


@pytest.mark.parametrize("where", ["memory", "files"])
def test_the_copies_of_a_rollback_survive(network: arc.Network, tmp_path: Any, where: str) -> None:
    def run(interrupted: bool) -> list[float]:
        rollback: Any = True if where == "memory" else tmp_path / str(interrupted)
        model = nn.Linear(1, 1)
        nn.init.constant_(model.weight, 1.0)
        sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        controller = arc.Controller(sgd, network=network, period=1, model=model, rollback=rollback)
        for e in range(5):
            nn.init.constant_(model.weight, float(e))
            controller.record(1.0 / (e + 1))
            controller.step()
        nn.init.constant_(model.weight, float("nan"))
        if interrupted:
            (state,) = _through_a_file(controller.state_dict())
            controller = arc.Controller(sgd, network=network, period=1, model=model, rollback=rollback)
            controller.load_state_dict(state)
        controller.record(float("nan"))
        controller.step()
        return [model.weight.item(), sgd.param_groups[0]["lr"]]

    assert run(True) == run(False)
    assert run(True)[0] == 4.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("optimizer_first", [True, False])
def test_a_resume_is_no_foreign_write(answering: Answering, optimizer_first: bool) -> None:
    """Everything is built first and loaded then, in whatever order."""

    def made() -> tuple[torch.optim.Optimizer, arc.Controller]:
        sgd = optimizer(0.1)
        return sgd, arc.Controller(sgd, network=answering(arc.Action.RAISE), period=1, rollback=False)

    sgd, controller = made()
    epoch(controller, falling(0))
    states = sgd.state_dict(), controller.state_dict()
    sgd, controller = made()
    for one, state in list(zip((sgd, controller), states, strict=True))[:: 1 if optimizer_first else -1]:
        one.load_state_dict(state)  # type: ignore[attr-defined]
    epoch(controller, falling(1))
    sgd.param_groups[0]["lr"] = 0.1
    with pytest.warns(RecoveryWarning, match="was set to 0.1"):
        epoch(controller, falling(2))


def test_another_number_of_groups_is_refused(network: arc.Network) -> None:
    state = arc.Controller(optimizer(0.1), network=network).state_dict()
    with pytest.raises(ValueError, match="1 parameter groups for an optimizer with 2"):
        arc.Controller(optimizer(0.1, 0.2), network=network).load_state_dict(state)


@pytest.mark.parametrize(
    "state", [None, {}, {"version": VERSION}, {"version": VERSION - 1, "groups": 1}, "state"]
)
def test_what_is_no_state_is_refused(network: arc.Network, state: Any) -> None:
    with pytest.raises(ValueError, match="state"):
        arc.Controller(optimizer(0.1), network=network).load_state_dict(state)
