"""Copies kept: carried over a resume, in memory or in files, and how they leave a device."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from arc.recovery.copies import Copies
from arc.recovery.streams import Streams
from tests.arc.recovery.nets import OPTIMIZERS, Net, Scale, step, values


def through_a_file(state: Any) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("kept", ["memory", "files"])
@pytest.mark.parametrize("asked", ["memory", "files"])
def test_a_resume_has_the_copies_of_its_call_whatever_is_asked_for(
    kept: str, asked: str, tmp_path: Path
) -> None:
    net = Net()
    adam = OPTIMIZERS["adamw"](net.parameters())
    copies = Copies(adam, net, folder=tmp_path if kept == "files" else None, extra_state=[Scale()])
    step(net, adam)
    adam.state[net.body[0].weight]["odd"] = np.float64(3.0)
    copies.take("good", call=5)
    then = values(net)
    state = through_a_file(copies.state_dict())
    step(net, adam)
    copies.take("good", call=6)  # what the resumed run must not see

    other = Net()
    adam2 = OPTIMIZERS["adamw"](other.parameters())
    resumed = Copies(adam2, other, folder=tmp_path if asked == "files" else None, extra_state=[Scale()])
    resumed.take("initial")
    resumed.load_state_dict(state)
    assert resumed.names == ("good",) and resumed.restore("good") == 5
    assert values(other) == then and adam2.state[other.body[0].weight]["odd"] == 3.0
    resumed.take("good", call=6)
    assert copies.restore("good") == 6  # two runs in one folder


def test_a_saved_state_is_not_written_to_by_later_copies() -> None:
    weight = nn.Parameter(torch.ones(2))
    copies = Copies(torch.optim.SGD([weight], lr=0.1))
    copies.take("good", call=1)
    saved = copies.state_dict()
    with torch.no_grad():
        weight.fill_(2.0)
    copies.take("good", call=2)
    copies.load_state_dict(saved)
    copies.restore("good")
    assert weight.tolist() == [1.0] * 2


def test_a_state_without_copies_or_of_other_parameters_leaves_none(tmp_path: Path) -> None:
    weight, other = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    copies, strange = (Copies(torch.optim.SGD([p], lr=0.1)) for p in (weight, other))
    strange.take("good")
    for state in ({}, strange.state_dict()):
        copies.take("good")
        copies.load_state_dict(state)
        assert copies.names == ()


def test_files_of_the_last_two_saved_states_stay_and_older_ones_go(tmp_path: Path) -> None:
    weight = nn.Parameter(torch.ones(2))
    copies = Copies(torch.optim.SGD([weight], lr=0.1), folder=tmp_path)
    states = []
    for call in range(4):
        copies.take("good", call=call)
        states.append(copies.state_dict())
        copies.take("good", call=call)  # of the same call, but later: another file
    assert len(list(tmp_path.iterdir())) == 3
    for call, names in ((0, ()), (2, ("good",)), (3, ("good",))):
        resumed = Copies(torch.optim.SGD([weight], lr=0.1), folder=tmp_path)
        resumed.load_state_dict(states[call])
        assert resumed.names == names
    next(iter(tmp_path.glob("*call3-good.pt"))).unlink()
    with pytest.raises(KeyError, match="is gone"):
        resumed.restore("good")


def test_what_no_file_can_hold_is_named(tmp_path: Path) -> None:
    weight = nn.Parameter(torch.ones(2))
    sgd = torch.optim.SGD([weight], lr=0.1)
    sgd.state[weight]["thing"] = Scale()
    with pytest.raises(TypeError, match="leave it out"):
        Copies(sgd, folder=tmp_path).take("good")


class Watched(Streams):
    """Notes what is copied, and when: as if the host's tensors were a device's."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def begin(self) -> None:
        super().begin()
        self.seen = ["begin"]

    def to_host(self, host: Tensor, source: Tensor, *, at_once: bool = False) -> None:
        super().to_host(host, source, at_once=at_once)
        self.seen.append((at_once, source.data_ptr()))

    def end(self) -> None:
        super().end()
        self.seen.append("end")


def test_nothing_is_copied_before_or_after_a_round() -> None:
    """What is under way after its end, nobody waits for."""
    net = Net()
    made = OPTIMIZERS["adamw"](net.parameters())
    made.param_groups[0]["d"] = torch.tensor(1e-6)  # a counter that is a tensor
    copies = Copies(made, net, extra_state=[Scale()])
    step(net, made)
    copies._run.streams = watched = Watched()
    copies.take("good")
    assert watched.seen[0] == "begin" and watched.seen[-1] == "end"
    assert made.param_groups[0]["d"].data_ptr() in {seen[1] for seen in watched.seen[1:-1]}


def test_what_the_next_forward_writes_is_copied_at_once() -> None:
    """Buffers change before the optimizers' next step, which waits for the other copies."""
    net = Net()
    copies = Copies(OPTIMIZERS["sgd"](net.parameters()), net)
    copies._run.streams = watched = Watched()
    copies.take("good")
    at_once = {pointer for now, pointer in watched.seen[1:-1] if now}
    assert at_once == {buffer.data_ptr() for buffer in net.buffers()}


def test_memory_of_counters_and_of_extra_state_is_used_again() -> None:
    """Pinned memory is slow to get."""
    weight, scale = nn.Parameter(torch.ones(2)), Scale()
    made = torch.optim.SGD([weight], lr=0.1)
    made.param_groups[0]["d"] = torch.tensor(1.0)
    copies = Copies(made, extra_state=[scale])

    def hosts() -> list[int]:
        state = copies._kept.get("good")
        return [state.extra[0]["scale"].host.data_ptr(), state.counters[0][0]["d"].host.data_ptr()]

    copies.take("good")
    before = hosts()
    copies.take("good")
    assert hosts() == before


def test_a_copy_has_the_order_of_its_tensor_in_memory() -> None:
    """Else a device copies through a second tensor, which takes memory that a large run does not have."""
    convolution = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    copies = Copies(torch.optim.SGD(convolution.parameters(), lr=0.1))
    copies.take("good")
    (_, weight, host), _ = copies.pairs("good")
    assert host.stride() == weight.stride() and torch.equal(host, weight)
    convolution.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    copies.take("good")
    (_, weight, host), _ = copies.pairs("good")
    assert host.stride() == weight.stride() and torch.equal(host, weight)


def test_extra_state_comes_back_in_place_where_it_is() -> None:
    """An object that takes what it is given keeps its tensors: their device, and their address."""

    class Average(Scale):
        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.scale = state["scale"]

    average = Average()
    copies = Copies(torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.1), extra_state=[average])
    copies.take("good")
    average.scale.fill_(2.0)
    address = average.scale.data_ptr()
    copies.restore("good")
    assert average.scale == 8 and average.scale.data_ptr() == address
    average.scale.fill_(2.0)
    copies.restore("good")  # the copy is none of the object's tensors
    assert average.scale == 8
