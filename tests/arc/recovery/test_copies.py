"""Copies: what is taken, put back in place, left alone, and carried over a resume."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from arc.recovery.copies import Copies
from arc.recovery.streams import Streams


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.body(x)
        return found


OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9),
    "adamw": lambda ps: torch.optim.AdamW(ps, lr=0.1),
    "adam, tensor lr": lambda ps: torch.optim.Adam(ps, lr=torch.tensor(0.1), capturable=False),
    "lbfgs": lambda ps: torch.optim.LBFGS(ps, lr=0.1, max_iter=3, history_size=2),
    "rprop": lambda ps: torch.optim.Rprop(ps, lr=0.01),
}


def step(net: nn.Module, *optimizers: torch.optim.Optimizer, seed: int = 0) -> None:
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(seed))

    def closure() -> Tensor:
        net.zero_grad()
        loss: Tensor = net(x).square().mean()
        loss.backward()
        return loss

    closure()
    for one in optimizers:
        one.step(closure)  # type: ignore[arg-type]


def values(net: nn.Module) -> list[list[float]]:
    return [v.flatten().tolist() for v in net.state_dict().values()]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("files", [False, True])
def test_a_restored_run_goes_on_exactly_as_it_did(name: str, files: bool, tmp_path: Path) -> None:
    net = Net()
    made = OPTIMIZERS[name](net.parameters())
    copies = Copies(made, net, folder=tmp_path if files else None)
    step(net, made, seed=1)
    copies.take("good", call=3)
    went = []
    for _ in range(2):
        for seed in (2, 3):
            step(net, made, seed=seed)
        went.append(values(net))
        assert copies.restore("good") == 3
    assert went[0] == went[1]


@pytest.mark.parametrize("name", ["sgd", "adamw", "adam, tensor lr", "rprop"])
def test_restored_in_place(name: str) -> None:
    """What CUDA graphs and compiled steps need: every tensor keeps its address."""
    net = Net()
    made = OPTIMIZERS[name](net.parameters())
    copies = Copies(made, net)
    step(net, made)
    copies.take("good")
    step(net, made)

    def addresses() -> list[int]:
        states = [v for s in made.state.values() for v in s.values() if isinstance(v, Tensor)]
        return [t.data_ptr() for t in [*net.parameters(), *net.buffers(), *states]]

    before = addresses()
    copies.restore("good")
    assert addresses() == before


def test_state_that_came_later_is_dropped_and_comes_back_with_its_copy() -> None:
    net = Net()
    adam = OPTIMIZERS["adamw"](net.parameters())
    copies = Copies(adam, net)
    copies.take("initial")
    step(net, adam)
    copies.take("good", call=1)
    expected = values(net)
    copies.restore("initial")
    assert not adam.state
    copies.restore("good")
    assert len(adam.state) == 6 and values(net) == expected
    assert all(state["step"].item() == 1 for state in adam.state.values())


def test_hyperparameters_stay_the_users_and_an_optimizers_counters_come_back() -> None:
    weight = nn.Parameter(torch.ones(2))
    adam = torch.optim.AdamW([weight], lr=0.1)
    group = adam.param_groups[0]
    group["d"] = 1e-6  # as Prodigy does
    copies = Copies(adam)
    copies.take("good")
    group.update(lr=0.5, betas=(0.5, 0.6), weight_decay=0.3, d=1e-2)
    copies.restore("good")
    assert (group["lr"], group["betas"], group["weight_decay"], group["d"]) == (0.5, (0.5, 0.6), 0.3, 1e-6)


def test_without_a_model_buffers_stay() -> None:
    net = Net()
    sgd = OPTIMIZERS["sgd"](net.parameters())
    copies = Copies(sgd)
    copies.take("good")
    before = [p.tolist() for p in net.parameters()]
    step(net, sgd)
    mean = net.body[1].running_mean.tolist()
    copies.restore("good")
    assert [p.tolist() for p in net.parameters()] == before and net.body[1].running_mean.tolist() == mean


def test_several_optimizers_are_one_copy() -> None:
    net = Net()
    sgd = OPTIMIZERS["sgd"](net.body[0].parameters())
    adam = OPTIMIZERS["adamw"](net.body[2].parameters())
    copies = Copies([sgd, adam], net)
    step(net, sgd, adam)
    copies.take("good")
    went = []
    for _ in range(2):
        step(net, sgd, adam, seed=4)
        went.append((values(net), adam.state_dict()["state"][0]["exp_avg"].tolist()))
        copies.restore("good")
    assert went[0] == went[1]


def test_parameters_added_since_stay_with_their_state_and_the_others_go_back() -> None:
    net, later = Net(), nn.Parameter(torch.ones(3))
    adam = OPTIMIZERS["adamw"](net.parameters())
    copies = Copies(adam, net)
    step(net, adam)
    copies.take("good")
    before = values(net)
    adam.add_param_group({"params": [later]})
    later.grad = torch.ones(3)
    step(net, adam)
    value, moment = later.tolist(), adam.state[later]["exp_avg"].tolist()
    copies.restore("good")
    assert values(net) == before
    assert later.tolist() == value and adam.state[later]["exp_avg"].tolist() == moment
    assert all(adam.state[p]["step"].item() == 1 for p in net.parameters())


def test_a_lazy_layer_is_known_from_the_copy_after_its_first_forward() -> None:
    net = nn.Sequential(nn.LazyLinear(2))
    sgd = OPTIMIZERS["sgd"](net.parameters())
    copies = Copies(sgd, net)
    copies.take("initial")
    step(net, sgd)
    grown = values(net)
    copies.restore("initial")  # knows neither weight nor bias
    assert values(net) == grown
    copies.take("good")
    step(net, sgd)
    copies.restore("good")
    assert values(net) == grown


def test_a_parameter_of_another_shape_stays_as_it_is() -> None:
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    sgd = OPTIMIZERS["sgd"]([first, second])
    copies = Copies(sgd)
    copies.take("good")
    first.data = torch.full((3,), 5.0)
    with torch.no_grad():
        second.fill_(7.0)
    sgd.state[first]["momentum_buffer"] = torch.full((3,), 4.0)
    copies.restore("good")
    assert first.tolist() == [5.0] * 3 and second.tolist() == [1.0] * 2
    assert sgd.state[first]["momentum_buffer"].tolist() == [4.0] * 3


def test_pruning_and_a_new_layer_do_no_harm() -> None:
    from torch.nn.utils import prune

    net = Net()
    sgd = OPTIMIZERS["sgd"](net.parameters())
    copies = Copies(sgd, net)
    step(net, sgd)
    copies.take("good")
    before = net.body[0].weight.tolist()
    prune.l1_unstructured(net.body[0], "weight", amount=0.5)
    mask = net.body[0].weight_mask.tolist()
    net.body.append(nn.Linear(1, 1))
    step(net, sgd)
    copies.restore("good")
    assert net.body[0].weight_orig.tolist() == before and net.body[0].weight_mask.tolist() == mask


def test_memory_is_used_again_and_two_copies_are_all() -> None:
    weight = nn.Parameter(torch.ones(2))
    copies = Copies(torch.optim.SGD([weight], lr=0.1))
    copies.take("a")
    host = next(iter(copies.pairs("a")))[2].data_ptr()
    copies.take("a")
    assert next(iter(copies.pairs("a")))[2].data_ptr() == host
    copies.keep_as("a", "b")
    with torch.no_grad():
        weight.fill_(2.0)
    copies.take("a")
    with pytest.raises(RuntimeError, match="at most 2: drop one first"):
        copies.take("c")
    assert [next(iter(copies.pairs(n)))[2].tolist() for n in "ab"] == [[2.0] * 2, [1.0] * 2]
    copies.drop("b")
    copies.take("c", call=4)
    assert set(copies.names) == {"a", "c"} and copies.call("c") == 4
    assert next(iter(copies.pairs("c")))[2].data_ptr() == host


class Scale:
    """Like a GradScaler: plain numbers and a tensor behind state_dict."""

    def __init__(self) -> None:
        self.scale, self.refuses = torch.tensor(8.0), False

    def state_dict(self) -> dict[str, Any]:
        return {"scale": self.scale, "growth": np.float64(2.0)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.refuses:
            self.refuses = False
            raise ValueError("no")
        self.scale = state["scale"].clone()


def test_extra_state_comes_back_and_one_that_refuses_leaves_all_as_it_was() -> None:
    weight, scale = nn.Parameter(torch.ones(2)), Scale()
    copies = Copies(torch.optim.SGD([weight], lr=0.1), extra_state=[scale])
    copies.take("good")
    scale.scale = torch.tensor(4.0)
    with torch.no_grad():
        weight.fill_(2.0)
    scale.refuses = True
    with pytest.raises(ValueError, match="no"):
        copies.restore("good")
    assert scale.scale == 4 and weight.tolist() == [2.0] * 2
    copies.restore("good")
    assert scale.scale == 8 and weight.tolist() == [1.0] * 2
    with pytest.raises(TypeError, match="extra_state"):
        Copies(torch.optim.SGD([weight], lr=0.1), extra_state=[3])


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
