"""How much memory copies take, and whether the host has it."""

from pathlib import Path

import pytest
import torch
from torch import nn

from arc.recovery import room


def test_a_copy_is_parameters_state_and_buffers() -> None:
    net = nn.Sequential(nn.Linear(10, 10, bias=False), nn.BatchNorm1d(10, affine=False))
    adam = torch.optim.AdamW(net.parameters(), lr=0.1)
    guessed = room.nbytes(adam)
    net(torch.ones(2, 10)).sum().backward()
    adam.step()
    assert guessed == 3 * 400 and room.nbytes(adam) == guessed + 4  # the step counter
    assert room.nbytes([adam], net) == guessed + 4 + 2 * 40 + 8
    assert room.nbytes(torch.optim.SGD(net.parameters(), lr=0.1)) == 400
    assert room.nbytes(torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)) == 800


def test_two_copies_fit_in_a_quarter_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sgd = torch.optim.SGD([nn.Parameter(torch.ones(100))], lr=0.1)
    free: int | None
    for free, ranks, fits in (
        (3201, 1, True),
        (3200, 1, False),
        (6400, 2, False),
        (6401, 2, True),
        (None, 1, False),
    ):
        monkeypatch.setattr(room, "free_memory", lambda free=free: free)
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(ranks))
        assert room.fits(sgd) is fits


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   8 kB\n")
    assert room.free_memory(tmp_path) == 8192
    cgroup = tmp_path / "sys/fs/cgroup"
    cgroup.mkdir(parents=True)
    (cgroup / "memory.max").write_text("max\n")
    (cgroup / "memory.current").write_text("3000\n")
    (cgroup / "memory.stat").write_text("anon 2000\ninactive_file 1000\n")
    assert room.free_memory(tmp_path) == 8192
    (cgroup / "memory.max").write_text("5000\n")
    assert room.free_memory(tmp_path) == 3000
    found = room.free_memory()
    assert found is not None and found > 0
