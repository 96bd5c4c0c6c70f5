"""Networks and optimizers for the controller's tests."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import arc
from arc.network import weights
from tests.arc.helpers import seeded_network

os.environ.setdefault("KERAS_BACKEND", "torch")  # read when keras is imported

Answering = Callable[[arc.Action], arc.Network]


@pytest.fixture
def network() -> arc.Network:
    return seeded_network()


@pytest.fixture
def answering(network: arc.Network) -> Answering:
    """``answering(action)`` is a network that always gives this answer, with p = 0.99."""

    def make(action: arc.Action) -> arc.Network:
        last: Any = network.dense[2]
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        last.bias.data[action] = 5.3
        return network

    return make


@pytest.fixture
def shipped(tmp_path: Path, network: arc.Network, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The seeded network in the place of the shipped controller: its directory."""
    weights.save(network, tmp_path / "shipped", {"seed": 0}, "# A seeded network\n")
    monkeypatch.setattr(weights, "PRETRAINED", tmp_path / "shipped")
    return tmp_path / "shipped"
