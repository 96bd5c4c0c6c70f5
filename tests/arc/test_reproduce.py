"""A replay of a controller's own log makes the run's decisions, or says what it cannot know."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc.__main__ import main
from arc.network import weights
from arc.view import journal
from arc.view.reproduce import reproduce
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling, optimizer

pytestmark = pytest.mark.filterwarnings("ignore::arc.decision.RecoveryWarning")


def _shipped(network: arc.Network, folder: Path) -> Path:
    weights.save(network, folder / "shipped", {}, "# card\n")
    return folder / "shipped"


def _logged(network: arc.Network, folder: Path, calls: int = 14, **settings: Any) -> arc.Controller:
    """A run that learns at too low an LR and whose weights hardly move, so that raises leap."""
    sgd = optimizer(1e-5, 1e-6)
    controller = arc.Controller(sgd, network=network, log_dir=folder, **settings)
    for e in range(calls):
        for group in sgd.param_groups:
            nn.init.constant_(group["params"][0], 1.0 + 1e-4 * e)
        epoch(controller, falling(e), 1.0 / (e + 1))
    return controller


@pytest.mark.parametrize(
    "settings",
    [
        {"total_calls": 14, "period": 2},
        {"policy": "paper", "period": 1},
        {"policy": arc.Policy(undo=False), "max_lr": 1e-4},
        {"mode": "advise", "period": 2},
        {"warmup": 15, "period": 2, "rollback": False},
        {"total_calls": 8, "period": 1},
    ],
    ids=str,
)
def test_the_runs_settings_make_the_runs_decisions(
    answering: Answering, tmp_path: Path, settings: dict[str, Any]
) -> None:
    network = answering(arc.Action.RAISE)
    controller = _logged(network, tmp_path, **settings)
    again, said = reproduce(journal.read(tmp_path), path=_shipped(network, tmp_path))
    assert len(controller.decisions) >= 3
    assert [d.epoch for d in again.decisions] == [d.epoch for d in controller.decisions]
    for one, other in zip(controller.decisions, again.decisions, strict=True):
        assert other.lr_after == pytest.approx(one.lr_after, rel=1e-3) and other.reason == one.reason
    n = len(controller.decisions)
    assert said[-1] == f"{n} of the run's {n} decisions reproduced" and len(said) == 2


def test_ways_back_are_reproduced(answering: Answering, tmp_path: Path) -> None:
    network = answering(arc.Action.KEEP)
    model = nn.Linear(2, 1)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    controller = arc.Controller(sgd, network=network, period=2, rollback=True, log_dir=tmp_path)
    for e in range(9):
        nn.init.constant_(model.weight, math.nan if e in (0, 5) else 1.0 + 0.01 * e)
        epoch(controller, falling(e), 1.0 / (e + 1))
    assert sum(d.restored is not None for d in controller.decisions) >= 2
    again, said = reproduce(journal.read(tmp_path), path=_shipped(network, tmp_path))
    assert [(d.epoch, d.restored) for d in again.decisions] == [
        (d.epoch, d.restored) for d in controller.decisions
    ]
    assert [d.lr_after for d in again.decisions] == [d.lr_after for d in controller.decisions]
    assert said[-1].startswith(f"{len(again.decisions)} of")


def test_the_network_that_sees_movement_decides_again_as_it_did(tmp_path: Path) -> None:
    """From the movement in the log; a real training from far too low an LR."""
    torch.manual_seed(0)
    inputs = torch.randn(128, 6)
    targets = inputs.prod(1, keepdim=True).tanh()
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    adam = torch.optim.Adam(model.parameters(), lr=1e-6)
    controller = arc.Controller(adam, period=2, total_calls=12, log_dir=tmp_path)
    for _ in range(12):
        for rows in torch.arange(128).split(16):
            loss = (model(inputs[rows]) - targets[rows]).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            controller.record(loss)
        controller.step(val_loss=loss.detach())
    again, said = reproduce(journal.read(tmp_path))
    assert [d.deed for d in again.decisions] == [d.deed for d in controller.decisions]
    n = len(controller.decisions)
    assert n > 3 and said[-1] == f"{n} of the run's {n} decisions reproduced"


def test_what_cannot_be_known_is_said(network: arc.Network, answering: Answering, tmp_path: Path) -> None:
    path = _shipped(network, tmp_path)
    other = answering(arc.Action.LOWER)  # the same object, with other weights from here on
    controller = arc.Controller(optimizer(0.1), network=other, log_dir=tmp_path)
    for _ in range(3):
        epoch(controller, [1 / (1 + i) for i in range(1000)], 1.0)
    _, said = reproduce(journal.read(tmp_path), path=path)
    assert any(f"another one ({other.digest()})" in line for line in said)
    assert any("thinned" in line for line in said)
    with pytest.raises(ValueError, match="no call"):
        reproduce(journal.RunLog(settings={}, calls=[], decisions=[]))


def test_a_log_from_before_is_replayed(network: arc.Network, tmp_path: Path) -> None:
    """Without network and movement."""
    _logged(network, tmp_path, period=2)
    log = journal.read(tmp_path)
    seen = [one._replace(movement=None) for one in log.seen]
    old = journal.RunLog(settings=log.settings, calls=log.calls, decisions=log.decisions, seen=seen)
    _, said = reproduce(old, path=_shipped(network, tmp_path))
    assert any("which network" in line for line in said) and any("no movement" in line for line in said)


def test_the_command_line_takes_the_logs_settings(
    network: arc.Network, shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    controller = _logged(network, tmp_path / "run", period=2, total_calls=14)
    for log in ("run", "run/arc.jsonl"):
        assert main(["replay", str(tmp_path / log), "--figure", str(tmp_path / "replay.png")]) == 0
        out = capsys.readouterr().out
        n = len(controller.decisions)
        assert f"{n} of the run's {n} decisions reproduced" in out and "period=2, total_calls=14" in out
    assert main(["replay", str(tmp_path / "run"), "--period", "7", "--figure", str(tmp_path / "r.png")]) == 0
    assert "period=7" in capsys.readouterr().out
