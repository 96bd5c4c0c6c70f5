"""One torch thread in every test, and a place of its own for what the stages write."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

# a busy machine must not fail a property, and a failure must be the same the next time
hypothesis.settings.register_profile("arc", deadline=None, derandomize=True)
hypothesis.settings.load_profile("arc")

TINY = str(Path(__file__).parent / "tiny_task.py")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny() -> str:
    """The path of a task file that costs milliseconds."""
    return TINY
