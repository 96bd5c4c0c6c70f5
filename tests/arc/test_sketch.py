"""The sketch of the weights against exact values, and what happens to parameters that come, go or freeze."""

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from arc.history import sketch
from arc.history.folding import COLUMNS, _drawn, folded
from arc.history.movement import Movement, numbers
from arc.history.sketch import Sketches, parameters_of
from arc.history.sums import PACKED, TENSORS, Sums
from tests import reference
from tests.arc.test_cost import _Operators

NORMS = ("step", "norm", "start", "distance")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weight(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape, generator=generator(seed)).to(dtype))


def sgd(*parameters: Tensor, lr: Any = 0.1) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=lr)


def values_of(parameters: list[nn.Parameter]) -> list[np.ndarray]:
    return [p.detach().double().numpy().copy() for p in parameters]


def move(parameters: list[nn.Parameter], number: int = 0, size: float = 0.1) -> None:
    """Moves them by noise around one direction of each: cosines of one half."""
    with torch.no_grad():
        for i, p in enumerate(parameters):
            both = torch.randn(p.shape, generator=generator(i)) + torch.randn(
                p.shape, generator=generator(1000 * (number + 1) + i)
            )
            p.add_(size * both.to(p.dtype))


def net(width: int = 60) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(30, width), nn.Tanh()]
    for _ in range(4):
        layers += [nn.Linear(width, width), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(width, 3))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, numbers: torch.Generator) -> None:
    for _ in range(steps):
        x = torch.randn(16, 30, generator=numbers)
        loss = (model(x) - torch.sin(x[:, :3])).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def close(found: Movement, states: list[list[np.ndarray]], *, norms: float, cosines: float) -> None:
    expected = reference.movement(states)
    for name in NORMS:
        assert getattr(found, name) == pytest.approx(expected[name], rel=norms), name
    for name in ("cosine", "cosine2"):
        assert getattr(found, name) == pytest.approx(expected[name], abs=cosines, nan_ok=True), name
    # quantiles may be those of one tensor, whose errors are larger than the net's
    assert found.tensor_cosine == pytest.approx(expected["tensor_cosine"], abs=2 * cosines, nan_ok=True)
    assert found.tensor_step == pytest.approx(expected["tensor_step"], abs=norms, nan_ok=True)


# -- exact values ----------------------------------------------------------------------------------


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


# -- nothing around it matters ---------------------------------------------------------------------


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


# -- tensors that say nothing ----------------------------------------------------------------------


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


# -- tensors that come and go ----------------------------------------------------------------------


def test_a_new_group_begins_with_its_first_call_and_the_others_go_on() -> None:
    old, new = weight(100, 50), weight(80, 50, seed=1)
    alone = weight(100, 50)
    optimizer = sgd(old)
    sketches, without = Sketches([optimizer]), Sketches([sgd(alone)])
    for call in range(4):
        for p in (old, alone):
            move([p], call)
        if call == 1:
            optimizer.add_param_group({"params": [new], "lr": 0.1})
        found, expected = sketches.movement(), without.movement()
        if call < 2:
            assert found.step == expected.step and repr(found.cosine) == repr(expected.cosine)
        move([new], call)
    assert sketches.sums is not None and np.isfinite(sketches.sums.product).all()
    assert found.start > expected.start


def vanish(optimizer: torch.optim.Optimizer, p: nn.Parameter) -> None:
    optimizer.param_groups[0]["params"] = [q for q in optimizer.param_groups[0]["params"] if q is not p]


def shrink(optimizer: torch.optim.Optimizer, p: nn.Parameter) -> None:
    p.data = p.data[:20].clone()


def swap(optimizer: torch.optim.Optimizer, p: nn.Parameter) -> None:
    params = optimizer.param_groups[0]["params"]
    params[[q is p for q in params].index(True)] = weight(*p.shape, seed=9)


@pytest.mark.parametrize("change", [vanish, shrink, swap])
@pytest.mark.parametrize("first", [True, False])
def test_a_tensor_that_vanishes_or_changes_its_shape_ends_alone(
    change: Callable[[torch.optim.Optimizer, nn.Parameter], None], first: bool
) -> None:
    kept, other = weight(70, 50), weight(60, 50, seed=1)
    optimizer = sgd(*((other, kept) if first else (kept, other)))
    sketches, states = Sketches([optimizer]), [values_of([kept])]
    for call in range(3):
        move([kept], call)
        states.append(values_of([kept]))
        if call == 1:
            change(optimizer, other)
        found = sketches.movement()
    expected = reference.movement(states)
    if change is vanish and first:  # another place has other signs
        assert found.step == pytest.approx(expected["step"], rel=0.1) and math.isnan(found.cosine)
    else:
        assert found.step == pytest.approx(expected["step"], rel=0.1)
        assert found.cosine == pytest.approx(expected["cosine"], abs=0.1)


def test_a_lazy_layer_begins_when_it_has_numbers() -> None:
    lazy = nn.LazyLinear(3)
    sketches = Sketches([torch.optim.SGD(lazy.parameters(), lr=0.1)])
    assert sketches.movement().norm == 0
    lazy(torch.zeros(1, 5))
    assert sketches.movement().step == 0
    move(list(lazy.parameters()))
    assert sketches.movement().step > 0


def test_one_parameter_in_two_optimizers_is_sketched_once() -> None:
    p = weight(COLUMNS * 3 + 7)
    sketches = Sketches([sgd(p), torch.optim.Adam([p], lr=0.1)])
    before = values_of([p])
    move([p])
    found = sketches.movement()
    assert found.step == pytest.approx(reference.movement([before, values_of([p])])["step"], rel=0.1)


def test_the_order_of_the_numbers_in_memory_does_not_matter() -> None:
    plain, other = weight(32, 8, 3, 3), weight(32, 8, 3, 3)
    first, second = Sketches([sgd(plain)]), Sketches([sgd(other)])
    move([plain])
    move([other])
    other.data = other.data.to(memory_format=torch.channels_last)
    assert repr(first.movement()) == repr(second.movement())


# -- restart, restore, resume ----------------------------------------------------------------------


def test_a_restore_is_no_movement() -> None:
    parameters = [weight(20, 30), weight(20)]
    sketches, states = Sketches([sgd(*parameters)]), [values_of(parameters)]
    for call in range(2):
        move(parameters, call)
        sketches.movement()
    with torch.no_grad():
        for p, old in zip(parameters, states[0], strict=True):
            p.copy_(torch.from_numpy(old))
    sketches.jumped()
    move(parameters, 7)
    states.append(values_of(parameters))
    close(sketches.movement(), states, norms=1e-4, cosines=1e-4)


def test_a_restart_makes_the_present_weights_the_start() -> None:
    parameters = [weight(20, 30), weight(20)]
    sketches = Sketches([sgd(*parameters)])
    move(parameters)
    sketches.movement()
    sketches.restart()
    states = [values_of(parameters)]
    for call in range(2):
        move(parameters, call + 1)
        states.append(values_of(parameters))
        found = sketches.movement()
    close(found, states, norms=1e-4, cosines=1e-4)


def saved(state: dict[str, Any]) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True, map_location="cpu")


@pytest.mark.parametrize("resumed", [0, 1, 2, 4])
def test_resume_goes_on_with_the_same_numbers(resumed: int) -> None:
    def run(resume: bool) -> list[Movement]:
        parameters = [weight(60, 50), weight(50), weight(600, 500)]
        optimizer = sgd(*parameters)
        sketches, found = Sketches([optimizer]), []
        for call in range(6):
            if resume and call == resumed:
                state = saved(sketches.state_dict())
                sketches = Sketches([optimizer])
                sketches.load_state_dict(state)
            move(parameters, call)
            found.append(sketches.movement())
        return found

    assert repr(run(True)) == repr(run(False))


def test_a_state_of_other_parameters_goes_on_where_they_are_the_same() -> None:
    same = weight(60, 50)
    sketches = Sketches([sgd(same, weight(10))])
    move([same])
    sketches.movement()
    state = saved(sketches.state_dict())
    other = Sketches([sgd(same, weight(11), weight(3))])
    other.load_state_dict(state)
    move([same], 1)
    assert math.isfinite(other.movement().cosine)
    other.load_state_dict(saved(Sketches([]).state_dict()))
    assert other.movement().step == 0


# -- precision -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    parameters = [weight(50, 100, seed=i, dtype=dtype) for i in range(3)]
    sketches, states = Sketches([sgd(*parameters)]), [values_of(parameters)]
    for call in range(2):
        move(parameters, call)
        states.append(values_of(parameters))
        found = sketches.movement()
    close(found, states, norms=0.06, cosines=0.06)


@pytest.mark.parametrize("name", ["master_param", "main_param"])
def test_master_weights_are_read_where_the_optimizer_keeps_them(name: str) -> None:
    p = weight(30, 20, dtype=torch.bfloat16)
    optimizer = sgd(p)
    sketches, master = Sketches([optimizer]), p.detach().float()
    if name == "main_param":
        p.main_param = master
    else:
        optimizer.state[p][name] = master  # after the first step, as optimizers do
    master += 1e-5  # nothing that bfloat16 would show
    assert sketches.movement().step == pytest.approx(1e-5 * 600**0.5, rel=0.02)


def test_the_smallest_changes_keep_their_direction() -> None:
    p = weight(400, 300)
    sketches = Sketches([sgd(p)])
    exact = p.detach().double()
    direction = torch.randn(p.shape, generator=generator(3))
    for _ in range(3):
        exact += 1e-5 * direction
        p.data.copy_(exact)
        found = sketches.movement()
    assert found.cosine > 0.98


def test_the_lrs_are_those_of_the_tensors() -> None:
    coarse, kept = weight(3, dtype=torch.bfloat16), weight(3, dtype=torch.bfloat16)
    optimizer = sgd(coarse, kept, weight(3).requires_grad_(False), weight(3))
    optimizer.state[kept]["master_param"] = kept.detach().float()
    assert Sketches([optimizer, sgd(weight(2), lr=0.2)]).lrs().tolist() == [0.0, 0.1, 0.1, 0.2]


# -- ranks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 3, TENSORS, 2 * TENSORS + 5])
def test_rows_of_one_length_carry_the_sums(count: int) -> None:
    parameters = [weight(5, seed=i) for i in range(count)]
    sketches = Sketches([sgd(*parameters)] if parameters else [])
    for call in range(4):
        move(parameters, call)
        alone = sketches.movement()
        assert sketches.sums is not None
        row = sketches.sums.packed()
        assert len(row) == PACKED
        both = Sums.mean([row, row]).movement()
        for name in (*NORMS, "cosine", "cosine2"):
            assert getattr(both, name) == pytest.approx(getattr(alone, name), nan_ok=True), name
        if count <= TENSORS:
            assert both.tensor_cosine == pytest.approx(alone.tensor_cosine, nan_ok=True)
            assert both.tensor_step == pytest.approx(alone.tensor_step, nan_ok=True)
