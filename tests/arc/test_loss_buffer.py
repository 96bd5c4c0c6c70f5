"""Bounded memory, exact while short, thinned while long, no graph and no aliases."""

import math
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.history.blocks import STRETCHES
from arc.history.features import PERIOD_LENGTH, _linear
from arc.history.losses import CAPACITY, LossBuffer


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 6 * CAPACITY), st.booleans(), st.booleans())
def test_every_stride_th_loss_is_kept(count: int, as_tensor: bool, read_host: bool) -> None:
    buffer = LossBuffer(read_host=read_host)
    values = torch.arange(float(count))
    for value in values if as_tensor else values.tolist():
        buffer.add(value)
    kept = buffer.values()
    assert kept == list(range(0, count, buffer.stride))
    assert len(kept) == len(buffer) <= CAPACITY
    assert buffer.stride == 1 or len(kept) >= CAPACITY // 2


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(CAPACITY + 1, 20 * CAPACITY))
def test_a_feature_is_taken_less_than_a_1024th_of_the_period_away(count: int) -> None:
    """On a ramp the value is the place: the features of a thinned period against those of the whole."""
    buffer = LossBuffer()
    ramp = np.arange(count) / count
    for value in ramp.tolist():
        buffer.add(value)
    places = [_linear(np.asarray(values), PERIOD_LENGTH) for values in (ramp, buffer.values())]
    assert np.abs(places[1] - places[0]).max() <= 1 / 1024


@pytest.mark.parametrize("read_host", [True, False])
@pytest.mark.parametrize("as_tensor", [True, False])
def test_a_new_period_forgets_what_was_dropped(as_tensor: bool, read_host: bool) -> None:
    buffer = LossBuffer(read_host=read_host)
    for i in range(3 * CAPACITY):
        value = math.nan if i % 4 else 1.0
        buffer.add(torch.tensor(value) if as_tensor else value)
    call = buffer.end_call(0.1, 1)
    assert call.mean == 1.0 and call.bad > 0
    buffer.clear()
    buffer.add(torch.tensor(2.0) if as_tensor else 2.0)
    call = buffer.end_call(0.1, 1)
    assert (call.mean, call.first, call.bad) == (2.0, 2.0, 0.0)


def test_a_call_without_a_loss_has_no_mean() -> None:
    call = LossBuffer().end_call(0.1, 1)
    assert math.isnan(call.mean) and not call.losses


def test_memory_is_bounded() -> None:
    buffer = LossBuffer()
    tracemalloc.start()
    for _ in range(300_000):
        buffer.add(1.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
    assert len(buffer) <= CAPACITY


@pytest.mark.parametrize("read_host", [True, False])
def test_a_tensor_is_copied_without_its_graph(read_host: bool) -> None:
    buffer = LossBuffer(read_host=read_host)
    loss = torch.tensor(2.0, requires_grad=True) * 3
    buffer.add(loss)
    with torch.no_grad():
        loss.zero_()
    assert buffer.values() == [6.0]
    assert all(not slot.requires_grad for slot in buffer._slots)


@pytest.mark.parametrize("read_host", [True, False])
def test_inference_mode_and_half_precision_are_fine(read_host: bool) -> None:
    buffer = LossBuffer(read_host=read_host)
    with torch.inference_mode():
        buffer.add(torch.tensor(0.5, dtype=torch.bfloat16))
    buffer.add(torch.tensor([0.25], dtype=torch.float64, requires_grad=True))
    assert buffer.values() == [0.5, 0.25]


@pytest.mark.parametrize("read_host", [True, False])
def test_numbers_and_tensors_mix(read_host: bool) -> None:
    buffer = LossBuffer(read_host=read_host)
    for value in (
        1,
        2.0,
        np.float32(3.0),
        np.array(4.0),
        torch.tensor(5),
        torch.tensor(6.0),
        7.0,
        np.int64(8),
    ):
        buffer.add(value)
    assert buffer.values() == [1, 2, 3, 4, 5, 6, 7, 8]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=5), st.booleans(), st.booleans())
def test_a_call_ends_with_its_mean_and_stretches(
    lengths: list[int], as_tensor: bool, read_host: bool
) -> None:
    buffer = LossBuffer(read_host=read_host)
    start = 0
    for length in lengths:
        values = torch.arange(float(start), float(start + length))
        for value in values if as_tensor else values.tolist():
            buffer.add(value)
        call = buffer.end_call(0.1, 1)
        stride = buffer.stride
        assert call.mean == pytest.approx(values.mean().item(), abs=stride)
        assert len(call.blocks) == min(STRETCHES, length // stride or 1) or stride > 1
        assert list(call.blocks) == sorted(call.blocks) and call.bad == 0
        assert abs(call.blocks[0] - start) <= length / len(call.blocks) + STRETCHES * stride
        assert call.losses == buffer.values()
        start += length


def test_a_restored_buffer_goes_on_alike() -> None:
    for as_tensor, read_host in ((True, True), (True, False), (False, True)):
        whole, half = LossBuffer(read_host=read_host), LossBuffer(read_host=read_host)
        for i in range(5000):
            if i == 3333:
                restored = LossBuffer(read_host=read_host)
                restored.load_state_dict(half.state_dict())
                half = restored
            for buffer in (whole, half):
                buffer.add(torch.tensor(float(i)) if as_tensor else float(i))
        assert whole.state_dict() == half.state_dict()


def test_more_than_one_value_is_refused() -> None:
    for loss in (torch.ones(2), np.ones(2), torch.ones(0)):
        with pytest.raises(ValueError, match="got "):
            LossBuffer().add(loss)
