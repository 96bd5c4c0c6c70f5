"""What only a CUDA device can show; skipped where there is none."""

import statistics
import time
from collections.abc import Iterator

import pytest
import torch
from torch import nn

import arc
from arc.history.losses import CAPACITY
from arc.history.sketch import Sketches

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture
def no_synchronisation() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


def _adam() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1)).cuda()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


@pytest.mark.usefixtures("no_synchronisation")
def test_record_never_synchronises(network: arc.Network) -> None:
    controller = arc.Controller(_adam()[1], network=network)
    loss = torch.ones((), device="cuda", requires_grad=True) * 2
    for _ in range(3 * CAPACITY):  # thinned out twice
        controller.record(loss)


def test_a_sketch_is_taken_without_synchronisation() -> None:
    model, adam = _adam()
    sketches = Sketches([adam])
    torch.cuda.set_sync_debug_mode("error")
    try:
        taken = [sketches.take() for _ in range(3)]
        adam.add_param_group({"params": [nn.Parameter(torch.ones(5000, device="cuda"))]})
        taken.append(sketches.take())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert taken[-1].is_cuda and sketches.movement(taken[-1]).step == 0
    cpu = Sketches([torch.optim.SGD([p.detach().cpu().requires_grad_() for p in model.parameters()], lr=0.1)])
    assert sketches.movement(taken[0]).norm == pytest.approx(cpu.movement().norm, rel=1e-4)


def test_decisions_are_those_of_the_cpu(network: arc.Network) -> None:
    losses = (torch.rand(3000, generator=torch.Generator().manual_seed(0)) + 1).split(500)
    made = []
    for device in ("cpu", "cuda"):
        controller = arc.Controller(_adam()[1], network=network, period=2)
        for e, part in enumerate(losses):
            for loss in part.to(device):
                controller.record(loss)
            controller.step(val_loss=torch.tensor(1.0 / (e + 1), device=device))
        made.append(controller.decisions)
    assert len(made[0]) == 3
    for ours, theirs in zip(*made, strict=True):
        assert ours.action == theirs.action
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-5)


def test_a_cuda_run_resumes_and_rolls_back(network: arc.Network) -> None:
    model, adam = _adam()
    controller = arc.Controller(adam, network=network, period=1, model=model, rollback=True)
    before = [p.detach().clone() for p in model.parameters()]
    controller.record(torch.tensor(1.0, device="cuda"))
    controller.load_state_dict(controller.state_dict())
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(float("nan"))
    controller.record(torch.tensor(float("nan"), device="cuda"))
    assert controller.step() is not None
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_steps_per_second_stay_within_noise(network: arc.Network) -> None:
    """Epochs with and without the controller alternate; a tenth is far above what a record costs."""
    model, adam = _adam()
    inputs = torch.rand(512, 256, device="cuda")
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for number in range(22):
        controlled = number % 2 == 1
        controller = arc.Controller(adam, network=network)
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(200):
            loss = (model(inputs) - 1).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            if controlled:
                controller.record(loss)
        torch.cuda.synchronize()
        seconds[controlled] += [time.perf_counter() - began] if number > 1 else []
    assert statistics.median(seconds[True]) < 1.1 * statistics.median(seconds[False])
