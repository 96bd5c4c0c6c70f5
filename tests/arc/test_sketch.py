"""The sketch of the weights against exact values, and what happens to parameters that come, go or freeze."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from arc.history.movement import numbers
from arc.history.sketch import COLUMNS, Sketches


def exact(states: list[list[torch.Tensor]]) -> dict[str, float]:
    """Naive twin: float64, whole vectors."""
    a, b, c = (torch.cat([t.double().flatten() for t in state]) for state in states[-3:])
    first = torch.cat([t.double().flatten() for t in states[0]])
    d1, d2 = b - a, c - b
    return {
        "step": float(d2.norm()),
        "norm": float(c.norm()),
        "distance": float((c - first).norm()),
        "start": float(first.norm()),
        "cosine": float(torch.dot(d1, d2) / d1.norm() / d2.norm()),
    }


def net(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(30, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 3)
    )


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, generator: torch.Generator) -> None:
    for _ in range(steps):
        x = torch.randn(16, 30, generator=generator)
        loss = (model(x) - torch.sin(x[:, :3])).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def state(model: nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in model.parameters()]


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6), width=st.sampled_from([20, 70, 150]), lr=st.sampled_from([1e-4, 1e-2, 1.0])
)
def test_a_sketch_is_close_to_exact_values(seed, width, lr):
    torch.manual_seed(seed)
    model = net(width)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    sketches, states = Sketches([optimizer]), [state(model)]
    generator = torch.Generator().manual_seed(seed)
    for _ in range(3):
        train(model, optimizer, 8, generator)
        states.append(state(model))
        found = sketches.movement()
    expected = exact(states)
    assert found.cosine == pytest.approx(expected.pop("cosine"), abs=0.05)
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=0.05), name


def test_small_tensors_are_their_own_sketch():
    torch.manual_seed(0)
    model = nn.Linear(30, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    sketches, states = Sketches([optimizer]), [state(model)]
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        train(model, optimizer, 4, generator)
        states.append(state(model))
        found = sketches.movement()
    for name, value in exact(states).items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-4), name
    window = numbers([found])
    assert window.rel == pytest.approx(math.log10(found.step / found.start))


def test_the_numbers_tell_a_low_lr_from_a_high_one():
    cosines: dict[float, list[float]] = {1e-5: [], 0.3: []}
    for lr, found in cosines.items():
        torch.manual_seed(1)
        model = net(40)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        sketches, generator = Sketches([optimizer]), torch.Generator().manual_seed(1)
        for _ in range(6):
            train(model, optimizer, 20, generator)
            found.append(sketches.movement().cosine)
    assert min(cosines[1e-5][1:]) > 0.85
    assert max(cosines[0.3][2:]) < 0.2


def test_global_randomness_default_types_and_devices_do_not_matter():
    model = net(60)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = torch.get_rng_state()
    plain = Sketches([optimizer])
    assert torch.equal(torch.get_rng_state(), before)
    try:
        torch.set_default_dtype(torch.float64)
        with torch.device("meta"):
            other = Sketches([optimizer])
            with torch.no_grad():
                model[0].weight.add_(0.5)
            found = other.movement()
    finally:
        torch.set_default_dtype(torch.float32)
    assert found == plain.movement()


def test_what_does_not_move_says_nothing():
    model = net(20)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    sketches, generator = Sketches([optimizer]), torch.Generator().manual_seed(0)
    train(model, optimizer, 4, generator)
    sketches.movement()
    model[:3].requires_grad_(False)
    train(model, optimizer, 4, generator)
    found = sketches.movement()
    head = [p.detach().clone() for p in model[4].parameters()]
    train(model, optimizer, 4, generator)
    after = sketches.movement()
    moved = math.sqrt(
        sum(float((a - b.detach()).square().sum()) for a, b in zip(head, model[4].parameters(), strict=True))
    )
    assert after.step == pytest.approx(moved, rel=1e-4)
    assert math.isfinite(found.cosine) and math.isfinite(after.cosine)


def test_nothing_moves_at_all():
    model = net(20)
    sketches = Sketches([torch.optim.SGD(model.parameters(), lr=0.1)])
    found = sketches.movement()
    assert found.step == 0
    assert math.isnan(found.cosine)
    assert all(map(math.isnan, found.tensor_step))


def test_weights_that_are_not_finite_show():
    model = net(20)
    sketches = Sketches([torch.optim.SGD(model.parameters(), lr=0.1)])
    with torch.no_grad():
        model[0].weight[0, 0] = math.inf
    assert math.isnan(sketches.movement().norm)


def test_parameters_that_come_and_go_begin_anew():
    model = net(20)
    optimizer = torch.optim.SGD(model[:3].parameters(), lr=0.1)
    sketches = Sketches([optimizer])
    optimizer.add_param_group({"params": model[4].parameters()})
    assert sketches.movement() is None
    with torch.no_grad():
        model[4].weight.add_(1.0)
    assert sketches.movement().step == pytest.approx(model[4].weight.numel() ** 0.5)
    lazy = nn.LazyLinear(3)
    sketches = Sketches([torch.optim.SGD(lazy.parameters(), lr=0.1)])
    lazy(torch.zeros(1, 5))
    assert sketches.movement() is None
    assert sketches.movement().step == 0


def test_a_restore_is_no_movement():
    model = net(20)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    sketches, generator = Sketches([optimizer]), torch.Generator().manual_seed(0)
    start = state(model)
    train(model, optimizer, 4, generator)
    sketches.movement()
    with torch.no_grad():
        for p, old in zip(model.parameters(), start, strict=True):
            p.copy_(old)
    sketches.jumped()
    train(model, optimizer, 1, generator)
    found = sketches.movement()
    assert math.isnan(found.cosine)
    assert found.step == pytest.approx(found.distance, rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions(dtype):
    weight = nn.Parameter(torch.randn(50, 100, generator=torch.Generator().manual_seed(0)).to(dtype))
    sketches = Sketches([torch.optim.SGD([weight], lr=0.1)])
    before = weight.detach().double().clone()
    with torch.no_grad():
        weight.mul_(1.5)
    found = sketches.movement()
    assert found.step == pytest.approx(float((weight.detach().double() - before).norm()), rel=0.1)


def test_resume_goes_on_with_the_same_numbers(tmp_path):
    def run(resume: bool) -> list:
        torch.manual_seed(3)
        model = net(60)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        sketches, generator, found = Sketches([optimizer]), torch.Generator().manual_seed(0), []
        for call in range(5):
            train(model, optimizer, 4, generator)
            found.append(sketches.movement())
            if resume and call == 2:
                torch.save(sketches.state_dict(), tmp_path / "s.pt")
                sketches = Sketches([optimizer])
                sketches.load_state_dict(torch.load(tmp_path / "s.pt", weights_only=True))
        return found

    assert repr(run(True)) == repr(run(False))


def test_a_compiled_or_wide_tensor_is_sketched_once():
    weight = nn.Parameter(torch.ones(COLUMNS * 3 + 7))
    optimizers = [torch.optim.SGD([weight], lr=0.1), torch.optim.Adam([weight], lr=0.1)]
    sketches = Sketches(optimizers)
    with torch.no_grad():
        weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))
    assert sketches.movement().step == pytest.approx(weight.numel() ** 0.5, rel=0.1)
