"""Runs that step together: every task that says it can is checked against the same runs alone."""

import math

import pytest
import torch
from torch import nn

from arc.actions import Action
from tasks import registry
from tasks.base import Source, Splits
from tasks.loop import TaskRun
from tasks.together import Together
from tasks.together.check import difference
from tasks.together.stack import stack
from tasks.together.twin import NotStackable

STACKED = [name for name in registry.names() if registry.task_class(name).together]
every_stacked = pytest.mark.parametrize("name", STACKED)


def runs_of(name: str, seed: int = 0, optimizer: str = "adam") -> list[TaskRun]:
    task = registry.get(name)
    data = Splits(*({k: v[: 3 * task.batch_size] for k, v in s.items()} for s in task.load(Source())))
    low, high = task.lr_range[optimizer]
    lr = low * (high / low) ** 0.4
    found = [TaskRun(task, data, optimizer=optimizer, lr=lr * a.multiplier, seed=seed) for a in Action]
    for i, run in enumerate(found):
        run.reseed("branch", i)
    return found


def states(runs: list[TaskRun]) -> list[dict[str, torch.Tensor]]:
    return [{k: v.clone() for k, v in run.model.state_dict().items()} for run in runs]


def test_most_of_the_zoo_is_trained_together():
    assert len(set(STACKED) & set(registry.names("zoo"))) >= 11


@every_stacked
@pytest.mark.parametrize("count", [2, 3])
def test_gradients_and_statistics_are_those_of_the_networks_alone(name, count):
    task = registry.get(name)
    batch = {k: v[: 4 * count] for k, v in task.load(Source()).train.items()}
    batch = task.augment(batch, torch.Generator().manual_seed(0))
    assert difference(task, batch, count=count) < 1e-9
    assert difference(task, batch, count=count, exact=False) < 1e-3


@every_stacked
def test_networks_of_the_papers_size_have_twins_for_all_their_layers(name):
    task = registry.get(name, "paper")
    with torch.device("meta"):
        stack([task.build() for _ in range(2)])


@every_stacked
def test_a_few_steps_together_end_where_steps_alone_do(name):
    together, alone = runs_of(name, optimizer="sgd"), runs_of(name, optimizer="sgd")
    for run in (*together, *alone):
        for module in run.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    losses = Together(together).train(3)
    expected = torch.tensor([run.train(3) for run in alone]).mean(0)
    assert losses == pytest.approx(expected.tolist(), rel=1e-3)
    for run, other in zip(together, alone, strict=True):
        assert run.evaluate().loss == pytest.approx(other.evaluate().loss, rel=2e-2)
        assert run.step_count == other.step_count


@every_stacked
def test_a_run_that_diverged_leaves_the_others_as_they_are(name):
    sound, broken = runs_of(name), runs_of(name)
    with torch.no_grad():
        for parameter in broken[0].model.parameters():
            parameter.fill_(math.nan)
    for runs in (sound, broken):
        Together(runs).train(2)
    assert any(v.isnan().any() for v in states(broken)[0].values())
    for own, expected in zip(states(broken)[1:], states(sound)[1:], strict=True):
        for key, value in expected.items():
            assert torch.equal(own[key], value), key


@every_stacked
def test_the_same_runs_again_give_the_same_bits(name):
    found = []
    for _ in range(2):
        runs = runs_of(name)
        found.append((Together(runs).train(3), [run.evaluate() for run in runs]))
    assert found[0] == found[1]


def test_runs_can_be_restored_and_trained_alone_in_between():
    runs = runs_of("svhn_vgg")
    group = Together(runs)
    taken = [run.snapshot() for run in runs]
    expected = group.train(2), states(runs)
    for run in runs:
        run.train(1)
    for run, snapshot in zip(runs, taken, strict=True):
        run.restore(snapshot)
    found = group.train(2), states(runs)
    assert found[0] == expected[0]
    for own, other in zip(found[1], expected[1], strict=True):
        assert all(torch.equal(own[k], other[k]) for k in other)


def test_rows_of_padding_get_no_gradient():
    tables = [nn.Embedding(5, 2, padding_idx=0) for _ in range(2)]
    stacked = stack(tables)
    stacked(torch.tensor([[0, 1], [0, 2]])).sum().backward()
    stacked.hand_over_gradients()
    for table, used in zip(tables, (1, 2), strict=True):
        assert table.weight.grad.nonzero()[:, 0].unique().tolist() == [used]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_deep_lstms_in_both_directions(bidirectional):
    made = {"num_layers": 2, "bidirectional": bidirectional, "batch_first": True}
    layers = [nn.LSTM(3, 4, **made) for _ in range(2)]
    x = torch.randn(6, 5, 3)
    alone = [layer(x[i::2]) for i, layer in enumerate(layers)]
    states, (hidden, cells) = stack([nn.Sequential(layer) for layer in layers])[0](x)
    for i, (own, (h, c)) in enumerate(alone):
        torch.testing.assert_close(states[i::2], own)
        torch.testing.assert_close(hidden[:, i::2], h)
        torch.testing.assert_close(cells[:, i::2], c)


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))


def tied() -> nn.Module:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[1].weight = network[0].weight
    return network


@pytest.mark.parametrize(
    "build",
    [
        Scaled,
        tied,
        lambda: nn.BatchNorm2d(2, momentum=None),
        lambda: nn.BatchNorm1d(2, affine=False),
        lambda: nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
        lambda: nn.GRU(2, 2, num_layers=2, batch_first=True),
        lambda: nn.LSTM(2, 2),
        lambda: nn.Embedding(2, 2, max_norm=1.0),
        lambda: nn.LayerNorm(2, elementwise_affine=False),
    ],
)
def test_what_has_no_twin_is_refused(build):
    with pytest.raises(NotStackable):
        stack([build(), build()])
