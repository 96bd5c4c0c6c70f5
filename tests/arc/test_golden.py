"""Seeded runs decide what they decided before: a refactor leaves every LR and every reason as it was.

An intended change writes the file anew and says so in CHANGELOG.md: ``python -m tests.arc.test_golden``.
"""

import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import arc
from arc.decision import Decision, RecoveryWarning
from arc.history.observation import NAMES
from arc.network.estimator import Answer, Estimator
from tests.arc.helpers import seeded_network

FILE = Path(__file__).with_name("golden.json")
LOSS = 3.0


class Told(Estimator):
    """An untrained network but for its distance: the true one, where the first LR was ``off`` decades off."""

    def __init__(self, off: float) -> None:
        super().__init__()
        self.off = off

    def forward(self, windows: Tensor, numbers: Tensor) -> Answer:
        said = super().forward(windows, numbers)
        logits = said.logits * 40 - said.logits.mean() * 40  # far enough from equal to be one's own
        return Answer(logits, self.off + numbers[:, NAMES.index("lr_start")], said.spread)


def told(off: float) -> Told:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Told(off).eval()


def leaning(action: arc.Action) -> arc.Network:
    """The seeded network of three actions, with a liking for one."""
    network = seeded_network()
    last: Any = network.dense[2]
    last.weight.mul_(80)
    last.bias.zero_()[action] += 2.0
    return network


def train(
    network: Any,
    lr: float,
    calls: int,
    *,
    steps: int = 12,
    loss_at: Callable[[int, float], float] = lambda _, loss: loss,
    val_at: Callable[[int, float], float | None] = lambda _, loss: loss,
    **settings: Any,
) -> list[Decision]:
    """A small regression; losses and validation losses can be told otherwise than they are."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))
    x = torch.randn(64, 6)
    y = x.sin().sum(1, keepdim=True)
    adam = torch.optim.Adam([{"params": [*net[0].parameters()]}, {"params": [*net[2].parameters()]}], lr=lr)
    controller = arc.Controller(adam, network=network, verbose=False, **settings)
    for call in range(calls):
        for step in range(steps):
            rows = slice(step % 4 * 16, step % 4 * 16 + 16)
            loss = (net(x[rows]) - y[rows]).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            controller.record(loss_at(call, loss.item()))
        with torch.no_grad():
            val = (net(x) - y).square().mean().item()
        controller.step(val_at(call, val))
    return controller.decisions


def broken_at(*calls: int) -> Callable[[int, float], float]:
    return lambda call, loss: math.nan if call in calls else loss


def blown(call: int, loss: float) -> float:
    return loss if call < 6 else loss + 50


def rising(call: int, loss: float) -> float:
    return LOSS - call * 0.3 if call < 6 else LOSS + (call - 6) * 0.2


RUNS: dict[str, Callable[[], list[Decision]]] = {
    "far too low, length known": lambda: train(told(-2.0), 1e-4, 15, total_calls=15),
    "far too high at the start": lambda: train(told(1.6), 1.0, 10, loss_at=lambda *_: LOSS),
    "too high, length unknown": lambda: train(told(0.9), 0.1, 14, period=2),
    "overfits": lambda: train(told(-1.0), 1e-2, 14, val_at=rising, period=2),
    "single steps": lambda: train(told(-1.5), 1e-3, 24, steps=1),
    "weights break": lambda: train(told(-0.8), 1e-3, 12, loss_at=broken_at(1, 8)),
    "a raise fails": lambda: train(told(-1.2), 1e-3, 16, loss_at=blown, val_at=blown, total_calls=40),
    "advice": lambda: train(told(-2.0), 1e-4, 6, mode="advise"),
    "bounds and warmup": lambda: train(told(-2.0), 1e-4, 8, min_lr=5e-5, max_lr=1e-3, warmup=24),
    "past the end": lambda: train(told(0.5), 1e-3, 14, total_calls=8, period=2),
    "the paper's rules, movement": lambda: train(told(-2.0), 1e-3, 8, policy="paper"),
    "three actions": lambda: train(leaning(arc.Action.RAISE), 1e-3, 15, period=2, total_calls=15),
    "three actions, an explosion": lambda: train(
        leaning(arc.Action.RAISE), 1e-2, 14, period=2, loss_at=blown, val_at=blown
    ),
    "three actions, the paper's rules": lambda: train(
        leaning(arc.Action.LOWER), 1e-3, 9, policy="paper", loss_at=broken_at(4)
    ),
    "three actions, no validation": lambda: train(
        leaning(arc.Action.LOWER), 1e-3, 12, val_at=lambda *_: None
    ),
}


def plain(decisions: list[Decision]) -> list[list[Any]]:
    """What is compared: call, action, source, what was restored, the LRs, the reason."""
    return [
        [d.epoch, d.action.label, d.source, d.restored, [float(f"{lr:.5g}") for lr in d.lr_after], d.reason]
        for d in decisions
    ]


@pytest.mark.filterwarnings("ignore::arc.decision.RecoveryWarning")
@pytest.mark.parametrize("name", RUNS)
def test_a_seeded_run_decides_as_before(name: str) -> None:
    expected = json.loads(FILE.read_text())[name]
    found = plain(RUNS[name]())
    assert len(found) == len(expected)
    for ours, before in zip(found, expected, strict=True):
        assert ours[:4] + ours[5:] == before[:4] + before[5:], "intended? python -m tests.arc.test_golden"
        assert ours[4] == pytest.approx(before[4], rel=1e-4)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecoveryWarning)
        rows = {name: plain(run()) for name, run in RUNS.items()}
    text = ",\n".join(
        f"  {json.dumps(name)}: [\n" + ",\n".join(f"    {json.dumps(row)}" for row in found) + "\n  ]"
        for name, found in rows.items()
    )
    FILE.write_text("{\n" + text + "\n}\n")
