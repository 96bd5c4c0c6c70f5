"""Optimizers that keep more than states of their parameters, or have parameters of an odd kind."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import arc
from arc.recovery.copies import Copies
from arc.recovery.room import nbytes
from arc.recovery.run_state import with_inner
from tests.arc.helpers import lr_of
from tests.arc.recovery.nets import Net, step, values


class Sharpness(torch.optim.Optimizer):
    """SAM, as its reference implementation keeps it: two passes a step, and a base optimizer inside."""

    def __init__(self, params: Any, base: Any, **defaults: Any) -> None:
        super().__init__(params, {"rho": 0.05, **defaults})
        self.base_optimizer = base(self.param_groups, **defaults)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for p in self._own():
            self.state[p]["old"] = p.data.clone()
            p.add_(p.grad, alpha=0.05)
        with torch.enable_grad():
            closure()
        for p in self._own():
            p.data = self.state[p]["old"]  # another address
        self.base_optimizer.step()

    def _own(self) -> list[Any]:
        return [p for group in self.param_groups for p in group["params"]]


class Lookahead(torch.optim.Optimizer):
    """A base optimizer whose state and groups are its own; every second step goes half of the way."""

    def __init__(self, base: torch.optim.Optimizer) -> None:
        self.optimizer = base
        super().__init__(base.param_groups, {})
        self.param_groups, self.state = base.param_groups, base.state
        self.slow = [p.detach().clone() for group in base.param_groups for p in group["params"]]

    def step(self, closure: Any = None) -> None:
        self.optimizer.step()


def _goes_on_exactly(net: nn.Module, made: torch.optim.Optimizer) -> bool:
    copies = Copies(made, net)
    step(net, made, seed=1)
    copies.take("good")
    went = []
    for _ in range(2):
        for seed in (2, 3):
            step(net, made, seed=seed)
        went.append(values(net))
        copies.restore("good")
    return went[0] == went[1]


@pytest.mark.parametrize("base", [torch.optim.Adam, torch.optim.SGD])
def test_the_state_of_an_optimizer_inside_comes_back(base: Any) -> None:
    net = Net()
    made = Sharpness(net.parameters(), base, lr=0.1)
    assert with_inner([made]) == [made, made.base_optimizer]
    assert _goes_on_exactly(net, made)
    step(net, made)
    plain = base(net.parameters(), lr=0.1)
    step(net, plain)
    assert nbytes(made) > nbytes(plain) >= sum(4 * p.numel() for p in net.parameters())


def test_one_that_shares_its_state_is_copied_once() -> None:
    net = Net()
    made = Lookahead(torch.optim.Adam(net.parameters(), lr=0.1))
    assert with_inner([made, made.optimizer]) == [made]
    assert _goes_on_exactly(net, made)


@pytest.mark.parametrize("evaluated", [False, True])
def test_schedule_free_goes_on_in_the_mode_that_it_is_in(evaluated: bool) -> None:
    """Its copy may come from before train(), or from the end of a validation: a step would refuse."""
    schedulefree = pytest.importorskip("schedulefree")
    net = Net()
    made = schedulefree.AdamWScheduleFree(net.parameters(), lr=0.1)
    copies = Copies(made, net)
    if evaluated:
        made.train()
        step(net, made, seed=1)
        made.eval()
    copies.take("kept")
    made.train()
    went = []
    for _ in range(2):
        step(net, made, seed=2)
        went.append(values(net))
        copies.restore("kept")
    assert went[0] == went[1]
    made.eval()
    expected = values(net)
    copies.restore("kept")
    assert values(net) == expected  # now in evaluation, where the copy is from


def _sparse() -> tuple[list[Any], Callable[[], Tensor]]:
    embedding, head = nn.Embedding(20, 4, sparse=True), nn.Linear(4, 1)
    made = [torch.optim.SparseAdam(list(embedding.parameters()), lr=0.01)]
    made += [torch.optim.Adam(head.parameters(), lr=0.01)]
    return made, lambda: head(embedding(torch.arange(8))).square().mean()


def _tied() -> tuple[list[Any], Callable[[], Tensor]]:
    one, two = nn.Linear(4, 4), nn.Linear(4, 4)
    two.weight = one.weight
    made: list[Any] = [torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9) for layer in (one, two)]
    return made, lambda: (two(one(torch.ones(3, 4))) - 1).square().mean()


def _complex() -> tuple[list[Any], Callable[[], Tensor]]:
    weight = nn.Parameter(torch.ones(6, dtype=torch.complex64))
    return [torch.optim.Adam([weight], lr=0.1)], lambda: (weight - 2).abs().square().mean()


def _meta() -> tuple[list[Any], Callable[[], Tensor]]:
    weight, later = nn.Parameter(torch.ones(6)), nn.Parameter(torch.empty(3, device="meta"))
    return [torch.optim.Adam([weight, later], lr=0.1)], lambda: (weight - 2).square().mean()


def _empty_and_frozen() -> tuple[list[Any], Callable[[], Tensor]]:
    net = nn.Sequential(nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 1))
    groups = [{"params": list(net.parameters())}, {"params": []}, {"params": [nn.Parameter(torch.ones(2))]}]
    groups[2]["lr"] = 0.0  # type: ignore[assignment]
    return [torch.optim.AdamW(groups, lr=0.1)], lambda: net(torch.ones(3, 4)).square().mean()


def _bytes() -> tuple[list[Any], Callable[[], Tensor]]:
    class Quantised(torch.optim.SGD):
        """States of eight bits, and a table and a name beside them."""

        def step(self, closure: Any = None) -> None:
            super().step()
            for p in self.param_groups[0]["params"]:
                state = self.state[p]
                state.setdefault("q", torch.zeros_like(p, dtype=torch.uint8)).add_(1)
                state.update(code="dynamic", table=torch.ones(3, dtype=torch.float64))

    weight = nn.Parameter(torch.ones(6))
    return [Quantised([weight], lr=0.1)], lambda: (weight - 2).square().mean()


@pytest.mark.parametrize("kind", [_sparse, _tied, _complex, _meta, _empty_and_frozen, _bytes])
def test_odd_parameters_and_states_train_on_exactly_after_a_restore(kind: Any) -> None:
    torch.manual_seed(0)
    made, loss_of = kind()
    controller = arc.Controller(made, rollback=True, verbose=False)
    copies = controller._run.recovery.copies
    assert copies is not None

    def steps() -> list[float]:
        found = []
        for _ in range(3):
            for one in made:
                one.zero_grad()
            loss = loss_of()
            loss.backward()
            for one in made:
                one.step()
            found.append(loss.item())
        return found

    for loss in steps():
        controller.record(loss)
    controller.step()
    copies.take("good")
    expected = steps()
    copies.restore("good")
    assert steps() == expected
    controller.load_state_dict(controller.state_dict())


@pytest.mark.parametrize("how", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copied_controller_drives_the_copied_optimizer(how: Any) -> None:
    net = Net()
    adam = torch.optim.Adam(net.parameters(), lr=0.1)
    controller = arc.Controller(adam, verbose=False)
    streams = controller._run.recovery.copies._run.streams  # type: ignore[union-attr]
    streams._hooked = True  # as on a CUDA device, whose streams and hooks no copy of the optimizer has
    other_net, other_adam, other = how((net, adam, controller))
    assert not other._run.recovery.copies._run.streams._hooked
    assert other.optimizer is other_adam
    for _ in range(3):
        step(net, adam)
        step(other_net, other_adam)
        for each in (controller, other):
            each.record(1.0)
            each.step()
    assert lr_of(adam) == lr_of(other_adam) and values(net) == values(other_net)
