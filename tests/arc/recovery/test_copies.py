"""Copies: what is taken, put back in place, and left alone."""

import gc
import weakref
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from arc.recovery.copies import Copies
from tests.arc.recovery.nets import OPTIMIZERS, Net, Scale, step, values


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
    copies.take("b")
    with torch.no_grad():
        weight.fill_(2.0)
    copies.take("a")
    assert next(iter(copies.pairs("a")))[2].data_ptr() == host
    with pytest.raises(RuntimeError, match="at most 2: drop one first"):
        copies.take("c")
    assert [next(iter(copies.pairs(n)))[2].tolist() for n in "ab"] == [[2.0] * 2, [1.0] * 2]
    freed = weakref.ref(next(iter(copies.pairs("b")))[2])
    copies.drop("b")
    gc.collect()
    assert freed() is None  # the initial state's memory is the user's again after the start
    copies.take("c", call=4)
    assert set(copies.names) == {"a", "c"} and copies.call("c") == 4


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
