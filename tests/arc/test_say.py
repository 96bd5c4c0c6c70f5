"""One line a decision, where somebody reads it."""

import importlib
import io
import math
import sys
from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc.decision import RecoveryWarning
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling, optimizer


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _said(network: arc.Network, verbose: bool | None, stream: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    controller = arc.Controller(optimizer(0.1), network=network, policy="paper", period=1, verbose=verbose)
    epoch(controller, falling(0), 1.0)
    return str(stream.getvalue())


@pytest.mark.parametrize("tqdm", ["is not imported", "is imported"])
def test_a_decision_is_one_line(answering: Answering, monkeypatch: pytest.MonkeyPatch, tqdm: str) -> None:
    if tqdm == "is imported":
        importlib.import_module("tqdm")
    else:
        monkeypatch.delitem(sys.modules, "tqdm", raising=False)
    said = _said(answering(arc.Action.RAISE), True, io.StringIO(), monkeypatch)
    assert said.startswith("call 1  lr 1.0e-01 -> 1.6e-01  raise x1.6  ") and said.count("\n") == 1


def test_none_is_true_with_a_terminal(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    network = answering(arc.Action.KEEP)
    assert _said(network, None, _Terminal(), monkeypatch).startswith("call 1  lr 1.0e-01  keep  ")
    assert _said(network, None, io.StringIO(), monkeypatch) == ""
    assert _said(network, False, _Terminal(), monkeypatch) == ""
    with pytest.raises(TypeError, match="got verbose='yes'"):
        _said(network, "yes", io.StringIO(), monkeypatch)  # type: ignore[arg-type]


def test_a_bar_stays_whole(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """tqdm takes its bar away, writes the line, and draws the bar again below it."""
    from tqdm import tqdm

    stream = _Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with tqdm(total=2, file=stream, mininterval=0) as bar:
        bar.update()
        _said(answering(arc.Action.KEEP), True, stream, monkeypatch)
    lines = stream.getvalue().split("\n")
    (line,) = [part for part in lines if "keep" in part]
    assert line.split("\r")[-1].startswith("call 1  lr") and "it/s" not in line.split("\r")[-1]


def test_a_rewind_is_named(answering: Answering) -> None:
    model = nn.Linear(2, 1)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    controller = arc.Controller(sgd, network=answering(arc.Action.KEEP), period=1, rollback=True)
    lines = []
    for broken in (True, False, False, False, False, False, False, False, False, False, True):
        if broken:
            nn.init.constant_(model.weight, math.nan)
            with pytest.warns(RecoveryWarning):
                lines.append(str(epoch(controller, falling(0))))
        else:
            lines.append(str(epoch(controller, falling(0))))
    assert lines[0].startswith("call 1  lr 1.0e-01 -> 1.0e-02  rewind to the initial state x0.1  the weights")
    assert lines[-1].startswith("call 11  lr 1.0e-02 -> 2.4e-03  rewind to call 10 x0.24  ")
    assert not any("went back" in line for line in lines)  # the deed has said it
    assert lines[1].startswith("call 2  lr 1.0e-02  keep  ")


def test_a_frameworks_own_step_may_stand_in_front(network: arc.Network) -> None:
    decision = epoch(arc.Controller(optimizer(0.1), network=network, period=1), falling(0))
    assert decision is not None and decision.line("step 1500").startswith("step 1500  lr 1.0e-01")
