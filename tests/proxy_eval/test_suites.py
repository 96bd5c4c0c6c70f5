"""What the suites of the comparison promise, whichever tasks they hold."""

from collections.abc import Callable

import pytest
from torch import nn

from proxy_eval import suite
from tasks import registry
from tasks.work import cli

SUITES = sorted(path.stem for path in cli.CONFIGS.glob("*suite*.yaml"))
SECOND = suite.read("suite2")


def holds(kind: type[nn.Module]) -> Callable[[str], bool]:
    return lambda name: any(isinstance(part, kind) for part in registry.get(name).build().modules())


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_names_tasks_and_grids(name: str) -> None:
    for entry in suite.read(name):
        assert entry.epochs >= 1
        grid = entry.grid([-0.5, 0.0, 0.5])
        assert grid[1] == entry.best_lr and grid[2] / grid[0] == pytest.approx(10, rel=1e-3)


def test_no_controller_learns_from_the_second_suite() -> None:
    assert {registry.task_class(entry.name).role for entry in SECOND} == {"evaluation"}


@pytest.mark.parametrize("other", [name for name in SUITES if name != "suite2"])
def test_the_second_suite_shares_no_task_with_another(other: str) -> None:
    assert not {entry.name for entry in SECOND} & {entry.name for entry in suite.read(other)}


def test_the_second_suite_has_the_kinds_of_net_that_its_page_lists() -> None:
    names = [entry.name for entry in SECOND]
    assert len(names) == 9
    assert sum(map(holds(nn.MultiheadAttention), names)) == 3
    assert sum(map(holds(nn.GRU), names)) == 1
    assert sum(getattr(registry.get(name), "pretraining", 0) > 0 for name in names) == 2


@pytest.mark.parametrize("entry", SECOND, ids=lambda entry: entry.name)
def test_a_best_lr_lies_within_the_range_of_its_task(entry: suite.Entry) -> None:
    low, high = registry.get(entry.name).lr_range[entry.optimizer]
    assert entry.best_lr is not None
    assert low <= entry.best_lr / 10 and entry.best_lr * 10**0.5 <= high
