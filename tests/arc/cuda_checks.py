"""What only a CUDA device can show, without pytest: ``python -m benchmarks.gpu`` may have none.

Each check takes a device and raises AssertionError. Those of :data:`ANYWHERE` mean something on a CPU, too.
"""

from __future__ import annotations

import io
import statistics
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

import arc
from arc.decision import RecoveryWarning
from arc.history.losses import CAPACITY
from arc.history.sketch import Sketches
from arc.recovery.copies import Copies

RECORD_MS = 0.1
"""Most that a record may cost. Whole steps once seemed to show 0.15 ms; the copy of one number should take a
tenth of the bound. The true cost on a card is not known yet."""


def record_never_synchronises(device: str) -> None:
    """Also where the buffer is thinned out, twice."""
    controller = arc.Controller(_adam(device)[1], network=_network())
    loss = torch.ones((), device=device, requires_grad=True) * 2
    with _no_synchronisation():
        for _ in range(3 * CAPACITY):
            controller.record(loss)


def a_sketch_is_taken_without_synchronisation(device: str) -> None:
    """Also when parameters come; it is that of the CPU."""
    model, adam = _adam(device)
    sketches = Sketches([adam])
    added = nn.Parameter(torch.ones(5000, device=device))
    with _no_synchronisation():
        taken = [sketches.take() for _ in range(3)]
        adam.add_param_group({"params": [added]})
        taken.append(sketches.take())
    assert taken[-1].device.type == device and sketches.movement(taken[-1]).step == 0
    cpu = Sketches([torch.optim.SGD([p.detach().cpu().requires_grad_() for p in model.parameters()], lr=0.1)])
    ours, theirs = sketches.movement(taken[0]).norm, cpu.movement().norm
    assert abs(ours - theirs) <= 1e-4 * theirs, (ours, theirs)


def a_copy_is_taken_without_synchronisation(device: str) -> None:
    """From the second one on: the first gets pinned memory."""
    model, adam = _adam(device)
    _step(model, adam, _inputs(device))
    copies = Copies(adam, model)
    for _ in range(2):
        copies.take("good")
    copies.finish()
    with _no_synchronisation():
        copies.take("good")


def a_copy_is_of_the_moment_it_was_taken(device: str) -> None:
    """Whatever forward passes and steps come while it is under way."""
    width = 2048 if device == "cuda" else 32
    layers = [nn.Linear(width, width, bias=False) for _ in range(8)]
    model = nn.Sequential(nn.BatchNorm1d(width), *layers, nn.BatchNorm1d(width)).to(device)
    sgd = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    inputs = torch.rand(64, width, generator=torch.Generator().manual_seed(0)).to(device)
    copies = Copies(sgd, model)
    for _ in range(3):
        _step(model, sgd, inputs)
        expected = _values(model)
        copies.take("good")
        for _ in range(3):
            _step(model, sgd, inputs)
        moved = _values(model)
        assert not any(map(torch.equal, moved, expected))
        copies.restore("good")
        assert all(map(torch.equal, _values(model), expected))


def decisions_are_those_of_the_cpu(device: str) -> None:
    """The same actions, and probabilities within 1e-5."""
    losses = (torch.rand(3000, generator=torch.Generator().manual_seed(0)) + 1).split(500)
    made = []
    for where in ("cpu", device):
        controller = arc.Controller(_adam(where)[1], network=_network(), period=2)
        for e, part in enumerate(losses):
            for loss in part.to(where):
                controller.record(loss)
            controller.step(val_loss=torch.tensor(1.0 / (e + 1), device=where))
        made.append(controller.decisions)
    assert len(made[0]) == 3
    for ours, theirs in zip(*made, strict=True):
        assert ours.action == theirs.action
        pairs = zip(ours.probabilities, theirs.probabilities, strict=True)
        assert all(abs(a - b) < 1e-5 for a, b in pairs), (ours, theirs)


def a_run_resumes_and_rolls_back(device: str) -> None:
    """Weights that are not finite are replaced, after a resume whose tensors were loaded to the device."""
    model, adam = _adam(device)
    controller = arc.Controller(adam, network=_network(), period=1, model=model, rollback=True)
    before = _values(model)
    controller.record(torch.tensor(1.0, device=device))
    file = io.BytesIO()
    torch.save(controller.state_dict(), file)
    file.seek(0)
    controller.load_state_dict(torch.load(file, weights_only=True, map_location=device))
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(float("nan"))
    controller.record(torch.tensor(float("nan"), device=device))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecoveryWarning)
        decision = controller.step()
    assert decision is not None and decision.restored == 0
    assert all(map(torch.equal, _values(model), before))


def a_captured_step_goes_on_after_a_restore(device: str) -> None:
    """A CUDA graph keeps its addresses, and a copy is waited for although a replay calls no hook."""
    optimizers: tuple[Callable[..., torch.optim.Optimizer], ...] = (
        lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9),
        lambda ps: torch.optim.Adam(ps, lr=1e-3, capturable=True),
    )
    for make in optimizers:
        model, _ = _adam(device)
        optimizer = make(model.parameters())
        inputs = _inputs(device)
        copies = Copies(optimizer, model)
        copies.take("initial")
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                _step(model, optimizer, inputs)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph):
            _step(model, optimizer, inputs)
        expected = _values(model)
        copies.take("good")
        went = []
        for _ in range(2):
            for _ in range(3):
                graph.replay()
            went.append(_values(model))
            copies.restore("good")
            assert all(map(torch.equal, _values(model), expected))
        assert not any(map(torch.equal, went[0], expected))
        assert all(map(torch.equal, *went))


def a_record_costs_little(device: str) -> None:
    """Records alone, timed on the device: other work on the host hardly counts."""
    found = record_milliseconds(device)
    assert found < RECORD_MS, f"{found:.4f} ms"


def record_milliseconds(device: str, rounds: int = 15, records: int = 200) -> float:
    """Median time of a record by CUDA events, the device else idle: its work, or its wait for the host."""
    controller = arc.Controller(_adam(device)[1], network=_network())
    loss = torch.ones((), device=device, requires_grad=True) * 2
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    found = []
    for _ in range(rounds):
        start.record()
        for _ in range(records):
            controller.record(loss)
        end.record()
        end.synchronize()
        found.append(start.elapsed_time(end) / records)
    return statistics.median(found[2:])


ANYWHERE: tuple[Callable[[str], None], ...] = (
    record_never_synchronises,
    a_sketch_is_taken_without_synchronisation,
    a_copy_is_taken_without_synchronisation,
    a_copy_is_of_the_moment_it_was_taken,
    decisions_are_those_of_the_cpu,
    a_run_resumes_and_rolls_back,
)
CHECKS = (*ANYWHERE, a_captured_step_goes_on_after_a_restore, a_record_costs_little)


@contextmanager
def _no_synchronisation() -> Iterator[None]:
    """What makes the host wait for a CUDA device raises; to be entered when everything is on the device."""
    if not torch.cuda.is_available():
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that the mode is a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _network() -> arc.Network:
    """Untrained but for its seed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return arc.Network().eval().requires_grad_(False)


def _adam(device: str) -> tuple[nn.Module, torch.optim.Optimizer]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1)).to(device)
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def _inputs(device: str) -> Tensor:
    return torch.rand(512, 256, generator=torch.Generator().manual_seed(0)).to(device)


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    (model(inputs) - 1).square().mean().backward()
    optimizer.step()


def _values(model: nn.Module) -> list[Tensor]:
    return [value.detach().clone() for value in model.state_dict().values()]
