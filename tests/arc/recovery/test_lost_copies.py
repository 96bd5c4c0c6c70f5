"""Copies that cannot be taken, or are gone: the training goes on, and the LR is guarded alone."""

import math
import shutil
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc.decision import RecoveryWarning
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling, lr_of
from tests.arc.recovery.ruined import break_, net, trained


class Locked(torch.optim.SGD):
    """Keeps, from its first step on, what no copy can be made of."""

    def step(self, closure: Any = None) -> None:
        super().step(closure)
        for p in self.param_groups[0]["params"]:
            self.state[p]["lock"] = threading.Lock()


def _full(*_: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("rollback", ["auto", True, "folder"])
def test_what_cannot_be_copied_ends_no_training(
    answering: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rollback: Any
) -> None:
    model = net(1.0)
    in_files = rollback == "folder"
    sgd = (torch.optim.SGD if in_files else Locked)(model.parameters(), lr=0.1)
    place = tmp_path if in_files else rollback
    controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), period=1, rollback=place)
    if in_files:
        monkeypatch.setattr(torch, "save", _full)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            trained(model, sgd, controller, 1)
    (told,) = (str(w.message) for w in caught if issubclass(w.category, RecoveryWarning))
    assert told.startswith("call 1: no copy could be taken (")
    assert ("No space left" if in_files else "lock") in told and "rollback=False" in told
    assert not list(tmp_path.glob("*.partial"))
    break_(model, sgd)
    decision = epoch(controller, [math.nan] * 3)
    assert decision is not None and decision.restored is None and lr_of(sgd) < 0.1


def test_at_the_start_what_was_asked_for_and_cannot_be_done_is_refused(answering: Answering) -> None:
    class Unready:
        def state_dict(self) -> dict[str, Any]:
            raise ValueError("not built yet")

        def load_state_dict(self, state: dict[str, Any]) -> None: ...

    sgd = torch.optim.SGD(net(1.0).parameters(), lr=0.1)
    settings: dict[str, Any] = {"network": answering(arc.Action.KEEP), "extra_state": [Unready()]}
    with pytest.raises(ValueError, match="not built yet"):
        arc.Controller(sgd, rollback=True, **settings)
    with pytest.warns(RecoveryWarning, match="call 0: no copy could be taken .ValueError: not built yet"):
        arc.Controller(sgd, **settings)


@pytest.mark.filterwarnings("ignore::arc.decision.RecoveryWarning")
@pytest.mark.parametrize("cleared", ["files", "folder"])
def test_files_that_somebody_cleared_away_are_no_copies(
    answering: Answering, tmp_path: Path, cleared: str
) -> None:
    model = net(1.0)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    folder = tmp_path / "copies"
    controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), period=1, rollback=folder)
    trained(model, sgd, controller, 2)
    for file in folder.iterdir():
        file.unlink()
    if cleared == "folder":
        shutil.rmtree(folder)
    good = [p.clone() for p in model.parameters()]
    break_(model, sgd)
    decision = epoch(controller, [math.nan] * 3)
    assert decision is not None and decision.restored is None and lr_of(sgd) < 0.1
    with torch.no_grad():
        for p, was in zip(model.parameters(), good, strict=True):
            p.copy_(was)
    trained(model, sgd, controller, 1)  # and there is a copy again
    break_(model, sgd)
    decision = epoch(controller, [math.nan] * 3)
    assert decision is not None and decision.restored == 4


class Wrapper:
    """As some mixed-precision libraries have them: no torch optimizer, but one inside."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return self.optimizer.param_groups


class Foreign:
    """No torch optimizer at all."""

    def __init__(self) -> None:
        self.param_groups = [{"lr": 0.1, "params": []}]


@pytest.mark.parametrize("make", [Foreign, lambda: Wrapper(torch.optim.SGD(nn.Linear(1, 1).parameters()))])
def test_copies_of_an_unknown_optimizer_are_refused(answering: Answering, make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"got rollback=True and an optimizer of .*not torch's"):
        arc.Controller(make(), network=answering(arc.Action.KEEP), rollback=True)


def test_a_wrapper_is_told_what_is_not_seen(answering: Answering) -> None:
    wrapper = Wrapper(torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1))
    network = answering(arc.Action.KEEP)
    with pytest.warns(RecoveryWarning, match=r"type Wrapper, .* pass the torch optimizer inside it"):
        controller = arc.Controller(wrapper, network=network)  # type: ignore[arg-type]
    arc.Controller(wrapper.optimizer, network=network)
    arc.Controller(Foreign(), network=network)  # type: ignore[arg-type]
    for e in range(3):
        epoch(controller, falling(e))
    assert len(controller.decisions) == 1
