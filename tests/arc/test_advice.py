"""Decisions without torch equal those with it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings

import arc
from arc.network import numpy as numpy_network
from arc.network import weights
from tests.arc.strategies import Lists, histories, periods


def _arrays(network: arc.Network) -> dict[str, Any]:
    return {k: v.numpy() for k, v in network.state_dict().items()}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(histories())
def test_numpy_and_torch_agree(lists: Lists) -> None:
    torch.manual_seed(0)
    network = arc.Network().eval().requires_grad_(False)
    window = arc.featurise(periods(lists))
    ours = numpy_network.probabilities(_arrays(network), window)
    assert ours == pytest.approx(network(torch.from_numpy(window)[None]).softmax(1)[0].tolist(), abs=1e-5)


@pytest.fixture
def saved(tmp_path: Path, network: arc.Network) -> Path:
    weights.save(network, tmp_path / "controller", {}, "card")
    return tmp_path / "controller"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_advice_is_what_a_controller_would_decide(saved: Path, network: arc.Network, count: int) -> None:
    rng = np.random.default_rng(count)
    train = [rng.normal(size=50).cumsum() for _ in range(count)]
    val = [rng.normal(size=3) for _ in range(count)]
    window = [arc.Period(train_loss=t, val_loss=v, lr=0.1) for t, v in zip(train, val, strict=True)]
    expected = network(torch.from_numpy(arc.featurise(window))[None]).softmax(1)[0].tolist()
    advice = arc.advise(np.concatenate(train), np.concatenate(val), 0.1, periods=count, path=saved)
    assert advice.probabilities == pytest.approx(expected, abs=1e-5)
    assert advice.lr_after == pytest.approx([0.1 * advice.action.multiplier])


def test_lists_floats_and_missing_validation_will_do(saved: Path) -> None:
    advice = arc.advise([3, 2, 1], None, [1, 0.5], periods=1, path=saved)
    assert advice.lr_before == (0.5,) and advice.reason.startswith("training loss falling over 1 period: ")


@pytest.mark.parametrize(
    "arguments, error",
    [
        (([], None, 0.1), ValueError),
        (([1.0, 2.0], None, 0.1), ValueError),
        (([1.0] * 9, None, 0.0), ValueError),
        (([1.0] * 9, None, -1.0), ValueError),
        (([1.0, float("nan"), 1.0], None, 0.1), ValueError),
        (([1.0] * 9, [float("inf")], 0.1), ValueError),
        ((np.ones((3, 3)), None, 0.1), ValueError),
        (("abc", None, 0.1), TypeError),
        (([1.0] * 9, None, None), TypeError),
    ],
)
def test_bad_arrays_are_refused(saved: Path, arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="got "):
        arc.advise(*arguments, path=saved)


@pytest.mark.parametrize("periods", [0, 4, 1.5, True, "3"])
def test_bad_periods_are_refused(saved: Path, periods: Any) -> None:
    with pytest.raises(ValueError, match="got periods="):
        arc.advise([1.0] * 9, None, 0.1, periods=periods, path=saved)


def test_advice_needs_no_torch(saved: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import arc;"
        f"print(arc.advise([3.0, 2.0, 1.0], [1.0], 0.1, path={str(saved)!r}).action.label)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("raise", "keep", "lower")
