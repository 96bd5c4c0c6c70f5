"""Whatever comes in: a clear error, or an LR that is finite and positive."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import arc
from arc import weights
from tests.arc.helpers import optimizer

many = settings(max_examples=150, deadline=None, derandomize=True)

numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-10, 10),
    st.integers(-(10**30), 10**30),
    st.sampled_from([0.0, -0.0, 1e-300, 1e300, math.nan, math.inf, -math.inf]),
)
anything: st.SearchStrategy[Any] = st.one_of(
    numbers,
    st.none(),
    st.booleans(),
    st.text(max_size=4),
    st.binary(max_size=3),
    st.complex_numbers(),
    st.lists(numbers, max_size=3),
    st.dictionaries(st.text(max_size=2), numbers, max_size=2),
    st.builds(np.asarray, st.lists(st.floats(-1e9, 1e9), max_size=3)),
    st.builds(torch.tensor, st.lists(st.floats(-1e9, 1e9), max_size=3)),
    st.builds(lambda v: torch.tensor(v, dtype=torch.float16), st.floats(-1e4, 1e4)),
    st.builds(lambda v: torch.tensor(v), st.booleans()),
    st.builds(lambda v: torch.tensor(v), st.complex_numbers(max_magnitude=10)),
)


def _seeded() -> arc.Network:
    torch.manual_seed(0)
    return arc.Network().eval().requires_grad_(False)


NETWORK = _seeded()


@many
@given(
    st.lists(
        st.one_of(st.tuples(st.just("record"), anything), st.tuples(st.just("step"), anything)), max_size=30
    ),
    st.sampled_from(["default", "paper"]),
    st.sampled_from([(0.1,), (1e-11, 1e5), (3e-7, 0.0)]),
)
def test_no_calls_in_any_order_bring_a_bad_lr(
    calls: list[tuple[str, Any]], policy: Any, lrs: tuple[float, ...]
) -> None:
    sgd = optimizer(*lrs)
    controller = arc.Controller(sgd, network=NETWORK, policy=policy, period=1)
    for name, value in calls:
        try:
            controller.record(value) if name == "record" else controller.step(value)
        except (TypeError, ValueError, RuntimeError) as error:
            assert len(str(error)) > 10
        for before, group in zip(lrs, sgd.param_groups, strict=True):
            lr = group["lr"]
            assert math.isfinite(lr) and (lr > 0) == (before > 0)
            assert lr == 0 or 1e-12 <= lr <= 1e6


@many
@given(anything)
def test_any_lr_is_used_or_shown(lr: Any) -> None:
    sgd = optimizer(0.1)
    sgd.param_groups[0]["lr"] = lr
    try:
        controller = arc.Controller(sgd, network=NETWORK, period=1)
    except (TypeError, ValueError) as error:
        assert str(error).startswith("got lr")
        return
    controller.record(1.0)
    controller.record(2.0)
    controller.step()
    assert math.isfinite(float(sgd.param_groups[0]["lr"])) and float(sgd.param_groups[0]["lr"]) > 0


@many
@given(
    st.sampled_from(["period", "total_epochs", "min_lr", "max_lr", "warmup", "mode", "rollback", "policy"]),
    anything,
)
def test_any_setting_is_used_or_shown(name: str, value: Any) -> None:
    try:
        controller = arc.Controller(optimizer(0.1), network=NETWORK, **{name: value})
    except (TypeError, ValueError) as error:
        assert name in str(error) or "model" in str(error)
        return
    for _ in range(3):
        controller.record(1.0)
        controller.step(0.5)


@many
@given(anything, anything, anything)
def test_any_period_is_featurised_or_refused(train_loss: Any, val_loss: Any, lr: Any) -> None:
    try:
        window = arc.featurise([arc.Period(train_loss=train_loss, val_loss=val_loss, lr=lr)])
    except (TypeError, ValueError) as error:
        assert len(str(error)) > 10
        return
    assert window.shape == (300, 3) and np.isfinite(window).all()


@many
@given(anything)
def test_any_state_is_loaded_or_refused(state: Any) -> None:
    controller = arc.Controller(optimizer(0.1), network=NETWORK)
    with pytest.raises(ValueError, match="state"):
        controller.load_state_dict(state)
    good = controller.state_dict()
    for key in good:
        try:
            controller.load_state_dict({**good, key: state})
        except (TypeError, ValueError) as error:
            assert len(str(error)) > 10


@pytest.mark.parametrize("made", [None, "adam", nn.Linear(1, 1), 0.1])
def test_what_is_no_optimizer_is_refused(made: Any) -> None:
    with pytest.raises(TypeError, match="need a torch optimizer"):
        arc.Controller(made, network=NETWORK)


@pytest.mark.parametrize("network", ["pretrained", nn.Linear(3, 3), 1])
def test_what_is_no_network_is_refused(network: Any) -> None:
    with pytest.raises(TypeError, match=r"need an arc\.Network"):
        arc.Controller(optimizer(0.1), network=network)


@many
@given(anything, anything, anything, anything)
def test_any_arrays_are_advised_or_refused(
    tmp_path_factory: pytest.TempPathFactory, train_loss: Any, val_loss: Any, lr: Any, periods: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "advised"
    if not path.exists():
        weights.save(NETWORK, path, {}, "card")
    try:
        decision = arc.advise(train_loss, val_loss, lr, periods=periods, path=path)
    except (TypeError, ValueError) as error:
        assert len(str(error)) > 10
        return
    assert 0 < decision.lr_after[0] < math.inf


@many
@given(st.sampled_from(["acceleration", "undo", "min_confidence", "anneal"]), anything)
def test_any_rule_is_used_or_shown(name: str, value: Any) -> None:
    try:
        arc.Policy(**{name: value})
    except ValueError as error:
        assert f"got {name}=" in str(error)


@many
@given(st.binary(max_size=200))
def test_any_bytes_are_no_controller(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("damaged") / "controller"
    weights.save(NETWORK, path, {}, "card")
    for name in ("config.json", "model.safetensors"):
        (path / name).write_bytes(content)
        with pytest.raises(weights.WeightsError, match=name):
            weights.load(path)
        weights.save(NETWORK, path, {}, "card")
