"""The modules that hold an optimizer's parameters."""

import copy

import pytest
import torch
from torch import nn

from arc.recovery.modules import holder


class Wrapped(nn.Module):
    """As DistributedDataParallel or a LightningModule hold a net, beside a frozen one."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.teacher = nn.BatchNorm1d(2)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, affine=False)), nn.Linear(2, 1))


def test_the_outermost_module_is_found_by_any_of_its_parameters() -> None:
    made = Wrapped(net())
    others = [net(), copy.deepcopy(made)]  # an EMA has parameters of its own
    assert holder(made.parameters()) is made
    assert holder(made.net[1].parameters()) is made  # type: ignore[index]
    assert len(others) == 2


def test_several_nets_are_a_list_in_the_order_of_their_parameters() -> None:
    first, second = net(), net()
    both = holder([*second.parameters(), *first.parameters()])
    assert isinstance(both, nn.ModuleList) and list(both) == [second, first]


def test_parameters_of_no_module_have_no_holder() -> None:
    assert holder([nn.Parameter(torch.ones(2))]) is None
    assert holder([]) is None


def test_a_module_that_knows_its_parent_is_found_all_the_same() -> None:
    made = Wrapped(net())
    made.net.parent = made
    found = holder(made.parameters())
    assert found is not None and "teacher.running_mean" in "".join(n for n, _ in found.named_buffers())


@pytest.mark.filterwarnings("ignore")
def test_a_compiled_net_holds_the_buffers_of_its_own() -> None:
    made = net()
    compiled = torch.compile(made)
    found = holder(made.parameters())
    assert found in (made, compiled) and found is not None
    assert [b.data_ptr() for b in found.buffers()] == [b.data_ptr() for b in made.buffers()]
