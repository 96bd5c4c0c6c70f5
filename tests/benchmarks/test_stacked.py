"""Stacked trials and trials alone are samples of one distribution, and the tests would tell another one."""

import pytest

from benchmarks.stacked import difference, p_values, trials_of, ways
from tests.conftest import TINY


@pytest.mark.parametrize(("task", "count", "steps"), [(TINY, 40, 8), ("svhn_vgg", 8, 3)])
def test_rows_of_a_stack_are_of_the_same_distribution(task: str, count: int, steps: int) -> None:
    make = ways(trials_of(task, count, steps, 1), 4.0)
    together, alone = make["together"](), make["alone"]()
    found = p_values(together, alone)
    assert len(found) == 11 and len(found) * min(found.values()) > 0.01, found
    mean, error = difference(together, alone)
    assert abs(mean) < 4 * error
    if task == TINY:
        told = p_values(make["higher"](), alone)
        assert len(told) * min(told.values()) < 0.01, "four times the LR would pass, too"
