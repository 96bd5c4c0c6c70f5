"""The benchmarks of the generator, a cycle or a step of each way of the tiny task."""

from benchmarks import data_gen, together
from tests.conftest import TINY


def test_the_plain_program_and_the_branches_are_timed() -> None:
    asked = data_gen.trial_of(TINY, 0, cycles=2, period=1)
    assert len(data_gen.plain_seconds(asked)) == 2
    assert min(together.of_step(TINY, 1, steps=2) + together.of_cycle(TINY, 1, cycles=1)) > 0
