"""A small seeded network and optimizers for the controller's tests."""

import pytest
import torch

import arc


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def network() -> arc.Network:
    """Untrained but for its seed: its answers are arbitrary, and always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return arc.Network().eval().requires_grad_(False)
