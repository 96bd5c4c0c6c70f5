"""Bounded memory, exact while short, thinned while long, no graph and no aliases."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.loss_buffer import CAPACITY, LossBuffer


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 6 * CAPACITY), st.booleans())
def test_every_stride_th_loss_is_kept(count: int, as_tensor: bool) -> None:
    buffer = LossBuffer()
    values = torch.arange(float(count))
    for value in values if as_tensor else values.tolist():
        buffer.add(value)
    kept = buffer.values().tolist()
    assert kept == list(range(0, count, buffer.stride))
    assert len(kept) == len(buffer) <= CAPACITY
    assert buffer.stride == 1 or len(kept) >= CAPACITY // 2


def test_memory_is_bounded() -> None:
    buffer = LossBuffer()
    tracemalloc.start()
    for _ in range(300_000):
        buffer.add(1.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
    assert len(buffer) <= CAPACITY


def test_a_tensor_is_copied_without_its_graph() -> None:
    buffer = LossBuffer()
    loss = torch.tensor(2.0, requires_grad=True) * 3
    buffer.add(loss)
    with torch.no_grad():
        loss.zero_()
    assert buffer.values().tolist() == [6.0]
    assert all(not slot.requires_grad for slot in buffer._slots)


def test_inference_mode_and_half_precision_are_fine() -> None:
    buffer = LossBuffer()
    with torch.inference_mode():
        buffer.add(torch.tensor(0.5, dtype=torch.bfloat16))
    buffer.add(torch.tensor([0.25], dtype=torch.float64, requires_grad=True))
    assert buffer.values().tolist() == [0.5, 0.25]


def test_numbers_and_tensors_mix() -> None:
    buffer = LossBuffer()
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
    assert buffer.values().tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 900), min_size=1, max_size=5), st.booleans())
def test_a_call_ends_with_its_mean_and_extremes(lengths: list[int], as_tensor: bool) -> None:
    buffer = LossBuffer()
    start = 0
    for length in lengths:
        values = torch.arange(float(start), float(start + length))
        for value in values if as_tensor else values.tolist():
            buffer.add(value)
        mean, low, high, first = buffer.end_call()
        stride = buffer.stride
        assert mean == pytest.approx(values.mean().item(), abs=stride)
        assert abs(low - start) <= stride and abs(high - (start + length - 1)) <= stride
        assert first == low
        start += length


def test_a_restored_buffer_goes_on_alike() -> None:
    for as_tensor in (True, False):
        whole, half = LossBuffer(), LossBuffer()
        for i in range(5000):
            if i == 3333:
                restored = LossBuffer()
                restored.load_state_dict(half.state_dict())
                half = restored
            for buffer in (whole, half):
                buffer.add(torch.tensor(float(i)) if as_tensor else float(i))
        assert whole.state_dict() == half.state_dict()


def test_more_than_one_value_is_refused() -> None:
    for loss in (torch.ones(2), np.ones(2), torch.ones(0)):
        with pytest.raises(ValueError, match="got "):
            LossBuffer().add(loss)
