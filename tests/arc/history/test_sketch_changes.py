"""Parameters that come, go, change or are put back: the sketches of the others go on."""

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from arc.history.folding import COLUMNS
from arc.history.movement import Movement
from arc.history.sketch import Sketches
from arc.history.sums import PACKED, TENSORS, Sums
from tests import reference
from tests.arc.history.sketched import NORMS, close, generator, move, sgd, values_of, weight


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
