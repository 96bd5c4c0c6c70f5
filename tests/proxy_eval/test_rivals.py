"""The optimizers written here against plain versions of their formulas, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from proxy_eval import schedules
from proxy_eval.nadamw import NadamW
from proxy_eval.schedule_free_plus import ScheduleFreePlus
from tasks.muon import hidden_matrices, muon_adamw
from tests.proxy_eval.test_schedules import tiny

Vector = list[float]


def gradient(y: Vector, k: int) -> tuple[float, Vector]:
    """A loss that differs from step to step, as batches do, and its gradient."""
    aim = [math.sin(k + i) for i in range(len(y))]
    return sum((a - b) ** 2 for a, b in zip(y, aim, strict=True)), [
        2 * (a - b) for a, b in zip(y, aim, strict=True)
    ]


def schedule_free_plus(start: Vector, steps: int, **given: Any) -> Iterator[tuple[Vector, Vector]]:
    """(y, x) after each step; every quantity is kept and named as in the paper."""
    s = {"b": (0.9, 0.9, 1), "polyak": 0.0, "decay": 0.0, "warmup": 0, "r": 0.0} | given
    x, y, z = list(start), list(start), list(start)
    m, v = [0.0] * len(x), [0.0] * len(x)
    average = largest = weights = 0.0
    for k in range(steps):
        begin, end, over = s["b"]
        part = min(1.0, k / over)
        b = 1 - math.exp((1 - part) * math.log(1 - begin) + part * math.log(1 - end))
        f, g = gradient(y, k)
        average = s["polyak"] * average + (1 - s["polyak"]) * math.sqrt(math.pi / 2) * sum(map(abs, g))
        inner = b * sum(gi * (zi - xi) for gi, zi, xi in zip(g, z, x, strict=True))
        a = max(0.0, f + inner) / (average / (1 - s["polyak"] ** (k + 1)))
        largest = max(largest, a)
        weight = (k + 1) ** s["r"] * largest**2
        weights += weight
        c = 1.0 if k < s["warmup"] else weight / weights
        for i in range(len(x)):
            z[i] -= a**2 * s["decay"] * y[i]
            m[i] = 0.9 * m[i] + 0.1 * g[i]
            v[i] = 0.95 * v[i] + 0.05 * g[i] ** 2
            z[i] -= a * m[i] / (1 - 0.9 ** (k + 1)) / (math.sqrt(v[i] / (1 - 0.95 ** (k + 1))) + 1e-8)
            x[i] = (1 - c) * x[i] + c * z[i]
            y[i] = b * x[i] + (1 - b) * z[i]
        yield list(y), list(x)


@pytest.mark.parametrize(
    ("ours", "plain"),
    [
        ({}, {}),
        ({"weight_decay": 0.05, "c_warmup": 3, "r": 2.0}, {"decay": 0.05, "warmup": 3, "r": 2.0}),
        ({"polyak_beta": 0.8, "momentum_steps": 5}, {"polyak": 0.8, "b": (0.9, 0.965, 5)}),
    ],
)
def test_schedule_free_plus_step_by_step(ours: dict[str, Any], plain: dict[str, Any]) -> None:
    start = [0.5, -1.0, 2.0]
    first, second = (nn.Parameter(torch.tensor(v, dtype=torch.float64)) for v in (start[:2], start[2:]))
    optimizer = ScheduleFreePlus([first, second], **ours)
    for k, (y, x) in enumerate(schedule_free_plus(start, 12, **plain)):
        loss, g = gradient([*first.tolist(), *second.tolist()], k)
        first.grad, second.grad = (torch.tensor(v, dtype=torch.float64) for v in (g[:2], g[2:]))
        optimizer.step(loss=loss)
        assert [*first.tolist(), *second.tolist()] == pytest.approx(y, rel=1e-9)
        optimizer.eval()
        assert [*first.tolist(), *second.tolist()] == pytest.approx(x, rel=1e-9)
        optimizer.train()
        assert [*first.tolist(), *second.tolist()] == pytest.approx(y, rel=1e-9)


def test_schedule_free_plus_needs_the_loss_and_the_weights_that_train() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = ScheduleFreePlus([weight])
    weight.grad = torch.ones(2)
    with pytest.raises(ValueError, match=r"got loss=None, need step\(loss=...\) or a closure"):
        optimizer.step()
    optimizer.eval()
    with pytest.raises(ValueError, match=r"need train\(\) before it"):
        optimizer.step(loss=1.0)
    with pytest.raises(ValueError, match=r"got momentum=1\.0"):
        ScheduleFreePlus([weight], momentum=1.0)


def test_schedule_free_plus_takes_no_step_without_a_gradient_or_a_loss_to_gain() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = ScheduleFreePlus([weight])
    optimizer.step(loss=1.0)
    for value, loss in ((0.0, 1.0), (1.0, 0.0)):
        weight.grad = torch.full((2,), value)
        optimizer.step(loss=loss)
    assert weight.tolist() == [1.0, 1.0]


def test_nadamw_step_by_step() -> None:
    w, lr, decay, b1, b2 = [0.5, -1.0], 0.1, 0.2, 0.9, 0.99
    weight = nn.Parameter(torch.tensor(w, dtype=torch.float64))
    optimizer = NadamW([weight], lr=lr, betas=(b1, b2), weight_decay=decay)
    m, v = [0.0, 0.0], [0.0, 0.0]
    for k in range(1, 11):
        _, g = gradient(w, k)
        weight.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        for i in range(2):
            w[i] *= 1 - lr * decay
            m[i] = b1 * m[i] + (1 - b1) * g[i]
            v[i] = b2 * v[i] + (1 - b2) * g[i] ** 2
            ahead = (b1 * m[i] + (1 - b1) * g[i]) / (1 - b1**k)
            w[i] -= lr * ahead / (math.sqrt(v[i] / (1 - b2**k)) + 1e-8)
        assert weight.tolist() == pytest.approx(w, rel=1e-9)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.conv = nn.Conv1d(4, 4, 1)
        self.hidden = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)


def test_muon_takes_the_hidden_matrices_alone_and_a_schedule_reaches_both() -> None:
    net = Net()
    assert hidden_matrices(net) == [net.hidden.weight]
    optimizer = muon_adamw(net, 0.5)
    assert [type(part).__name__ for part in optimizer.parts] == ["Muon", "AdamW"]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(net.parameters()))
    optimizer.load_state_dict(optimizer.state_dict())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.1)
    assert [group["lr"] for part in optimizer.parts for group in part.param_groups] == [0.05, 0.05]
    before = [p.detach().clone() for p in net.parameters()]
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    schedule.step()
    assert all(not torch.equal(p, old) for p, old in zip(net.parameters(), before, strict=True))


def test_a_model_without_hidden_matrices_is_adamws_alone() -> None:
    optimizer = muon_adamw(nn.Linear(2, 2), 0.1)
    assert [type(part).__name__ for part in optimizer.parts] == ["AdamW"]


def test_kerass_plateau_falls_after_ten_epochs_without_improvement() -> None:
    run = tiny()
    lrs = [
        run.optimizer.param_groups[0]["lr"] for _ in schedules.plateau_keras(run, 250).drive(run, 250)
    ]  # the validation loss is always 1: the first epoch is the best one, the next ten are not better
    assert lrs[:10] == [1.0] * 10 and lrs[10] == pytest.approx(0.1)
    assert lrs[19] == pytest.approx(0.1) and lrs[20] == pytest.approx(0.01)


def test_a_short_warm_up() -> None:
    run = tiny()
    lrs = []
    update = run.update
    run.update = lambda batch: (lrs.append(run.optimizer.param_groups[0]["lr"]), update(batch))[1]  # type: ignore[method-assign]
    list(schedules.warmup_cosine(run, 100, warmup=0.05).drive(run, 100))
    assert lrs.index(max(lrs)) == 5 and max(lrs) == pytest.approx(1.0)
    assert 0 < lrs[-1] < 0.01
