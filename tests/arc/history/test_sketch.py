"""How the weights moved, from sketches: against the exact movement, and what says nothing."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from arc.history import sketch
from arc.history.folding import COLUMNS, _drawn, folded
from arc.history.movement import numbers
from arc.history.sketch import Sketches, parameters_of
from tests import reference
from tests.arc.history.sketched import close, generator, move, net, sgd, train, values_of, weight
from tests.arc.test_cost import _Operators


@settings(max_examples=12)
@given(
    seed=st.integers(0, 10**6),
    width=st.sampled_from([20, 64, 150]),
    lr=st.sampled_from([1e-5, 1e-2, 1.0]),
    cls=st.sampled_from([torch.optim.SGD, torch.optim.Adam]),
)
def test_a_sketch_is_close_to_exact_values(
    seed: int, width: int, lr: float, cls: type[torch.optim.Optimizer]
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = net(width)
    optimizer = cls(model.parameters(), lr=lr)  # type: ignore[call-arg]
    parameters = list(model.parameters())
    sketches, states = Sketches([optimizer]), [values_of(parameters)]
    for call in range(3):
        train(model, optimizer, 8, generator(seed + call))
        states.append(values_of(parameters))
        close(sketches.movement(), states, norms=0.05, cosines=0.05)


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["noise", "outer", "positive", "offset"]))
def test_changes_with_rows_that_are_alike_are_told(seed: int, kind: str) -> None:
    """Layers as wide as a sketch, which change by few directions at a time."""
    parameters = [weight(rows, columns) for rows, columns in ((32, 1024), (64, 1024), (100, 512), (50, 512))]
    sketches, states = Sketches([sgd(*parameters)]), [values_of(parameters)]
    draw = generator(seed)
    for _ in range(3):
        with torch.no_grad():
            for p in parameters:
                rows, columns = (
                    torch.randn(len(p), 1, generator=draw),
                    torch.randn(p.shape[1], generator=draw),
                )
                columns = columns.abs() if kind == "positive" else columns
                change = {"noise": torch.randn(p.shape, generator=draw), "offset": torch.ones(p.shape)}
                p.add_(0.1 * change.get(kind, rows * columns))
        states.append(values_of(parameters))
        found = sketches.movement()
    close(found, states, norms=0.08, cosines=0.08)


@pytest.mark.parametrize("length", [9, 16, 31, 32, 33, 100, 128, 131])
def test_the_sketch_is_the_sum_with_signs(length: int) -> None:
    numbers = torch.randn(length, generator=generator())
    pattern, signs = _drawn([1], 4)[:, :8], _drawn([2], -(-length // 32))[:, :8]
    expected = reference.folded(numbers.tolist(), pattern.numpy(), signs.numpy())
    assert folded(numbers, pattern.float(), signs).tolist() == pytest.approx(expected, abs=1e-5)


def test_signs_of_two_places_are_unrelated() -> None:
    one, other = _drawn([0, 0, 0], 64).double().flatten(), _drawn([0, 1, 0], 64).double().flatten()
    assert abs(float((one * other).mean())) < 4 / len(one) ** 0.5
    assert abs(float(one.mean())) < 4 / len(one) ** 0.5


def test_small_tensors_are_their_own_sketch() -> None:
    parameters = [weight(30, 3), weight(COLUMNS), weight(), weight(0, 3), weight(2, 2, dtype=torch.complex64)]
    sketches, states = Sketches([sgd(*parameters)]), [values_of(parameters[:-1])]
    for call in range(3):
        move(parameters[:-1], call)
        states.append(values_of(parameters[:-1]))
        found = sketches.movement()
        parameters[-1].data.zero_()
    expected = reference.movement(states)
    assert found.step == pytest.approx(expected["step"], rel=1e-5)
    assert found.cosine == pytest.approx(expected["cosine"], abs=1e-5)
    assert found.tensor_step == pytest.approx(expected["tensor_step"], abs=1e-4)
    assert numbers([found]).rel == pytest.approx(math.log10(found.step / found.start))


def test_the_numbers_tell_a_low_lr_from_a_high_one() -> None:
    cosines: dict[float, list[float]] = {1e-5: [], 0.3: []}
    for lr, found in cosines.items():
        with torch.random.fork_rng():
            torch.manual_seed(1)
            model = nn.Sequential(nn.Linear(30, 40), nn.Tanh(), nn.Linear(40, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        sketches, draw = Sketches([optimizer]), generator(1)
        for _ in range(6):
            train(model, optimizer, 20, draw)
            found.append(sketches.movement().cosine)
    assert min(cosines[1e-5][1:]) > 0.8
    assert max(cosines[0.3][2:]) < 0.2


SURROUNDINGS = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "inference": torch.inference_mode,
    "default device": lambda: torch.device("meta"),
}


@pytest.mark.parametrize("around", SURROUNDINGS.values(), ids=SURROUNDINGS.keys())
def test_global_settings_do_not_matter(around: Callable[[], Any]) -> None:
    parameters = [weight(60, 50), weight(7)]
    before, precision = torch.get_rng_state(), torch.get_float32_matmul_precision()
    plain = Sketches([sgd(*parameters)])
    try:
        torch.set_default_dtype(torch.float64)
        torch.set_float32_matmul_precision("medium")
        with around():
            other = Sketches([sgd(*parameters)])
        assert torch.equal(torch.get_rng_state(), before)
        for call in range(3):
            move(parameters, call)
            with around():
                found = other.movement()
            torch.set_default_dtype(torch.float32)
            assert repr(found) == repr(plain.movement())
            torch.set_default_dtype(torch.float64)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision(precision)


def test_nothing_is_read_back_and_no_parameter_moves() -> None:
    parameters = [weight(60, 50), weight(7), weight(300, 20, dtype=torch.bfloat16)]
    places = [p.data_ptr() for p in parameters]
    sketches = Sketches([sgd(*parameters)])
    with _Operators() as seen:
        values = sketches.take()
        values = sketches.take()
    assert not seen.names & {"_local_scalar_dense", "item", "nonzero", "is_nonzero", "equal"}
    assert [p.data_ptr() for p in parameters] == places
    assert values.shape == (8, 3)
    assert sketches.movement(values).step == 0


def test_a_compiled_module_trains_on() -> None:
    model = net(40)
    compiled = torch.compile(model, backend="eager")
    optimizer = torch.optim.Adam(compiled.parameters(), lr=0.01)
    sketches = Sketches([optimizer])
    for call in range(2):
        train(compiled, optimizer, 2, generator(call))
        found = sketches.movement()
    assert found.step > 0 and math.isfinite(found.cosine)


def frozen(p: nn.Parameter, group: dict[str, Any]) -> None:
    p.requires_grad_(False)


def at_lr_zero(p: nn.Parameter, group: dict[str, Any]) -> None:
    group["lr"] = 0.0


def at_tensor_lr_zero(p: nn.Parameter, group: dict[str, Any]) -> None:
    group["lr"] = torch.tensor(0.0)


@pytest.mark.parametrize("still", [frozen, at_lr_zero, at_tensor_lr_zero])
def test_what_may_not_move_says_nothing(still: Callable[[nn.Parameter, dict[str, Any]], None]) -> None:
    body, head = weight(30, 10), weight(10, seed=1)
    optimizer = torch.optim.SGD([{"params": [body]}, {"params": [head]}], lr=0.1)
    sketches, states = Sketches([optimizer]), [values_of([head])]
    for call in range(3):
        move([head, body] if call == 0 else [head], call)
        states.append(values_of([head]))
        if call == 1:
            still(body, optimizer.param_groups[0])
        found = sketches.movement()
    close(found, states, norms=1e-4, cosines=1e-4)


def test_an_lr_on_a_device_is_looked_at_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketch, "_on_device", lambda lr: isinstance(lr, Tensor))
    groups = [{"params": [nn.Parameter(torch.ones(n))], "lr": lr} for n, lr in ((5, 0.0), (4, 0.1), (3, 0.2))]
    for group in groups[:2]:
        group["lr"] = torch.tensor(group["lr"])
    sketches = Sketches([torch.optim.SGD(groups, lr=0.1)])
    with _Operators() as seen:
        values = sketches.take()
    assert "_local_scalar_dense" not in seen.names
    assert sketches.movement(values).start == pytest.approx(7**0.5)


def test_what_is_frozen_at_the_start_is_left_alone_until_it_is_not() -> None:
    body, head = weight(30, 10).requires_grad_(False), weight(10, seed=1)
    sketches, states = Sketches([sgd(body, head)]), [values_of([head])]
    move([head])
    states.append(values_of([head]))
    close(sketches.movement(), states, norms=1e-4, cosines=1e-4)
    body.requires_grad_(True)
    sketches.movement()  # it begins here
    states = [values_of([body, head])]
    move([body])
    states.append(values_of([body, head]))
    assert sketches.movement().step == pytest.approx(reference.movement(states)["step"])


def test_nothing_moves_at_all() -> None:
    found = Sketches([sgd(weight(50, 50))]).movement()
    assert found.step == 0
    assert math.isnan(found.cosine) and all(map(math.isnan, found.tensor_step))


def test_weights_that_are_not_finite_show() -> None:
    p = weight(50, 50)
    sketches = Sketches([sgd(p)])
    p.data[0, 0] = math.inf
    assert math.isnan(sketches.movement().norm)


def test_optimizers_without_torch_parameters_have_nothing_to_follow() -> None:
    class StandIn:
        param_groups = ({"lr": 0.1}, {"lr": 0.1, "params": ["kernel"]})

    assert parameters_of([StandIn()]) == []
    found = Sketches([StandIn()]).movement()
    assert found.step == 0 and all(map(math.isnan, numbers([found])[:1]))
