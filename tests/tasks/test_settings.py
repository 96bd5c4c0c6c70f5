"""Numbers of a task replaced from the command line: what is taken, what is refused, what is hashed."""

from dataclasses import asdict, dataclass

import pytest

from data_gen import generate, trial
from data_gen.generate import GenerateConfig
from data_gen.unit import loaded
from tasks import registry
from tasks.errors import InputError
from tasks.settings import NONE, encoded, replaced
from tasks.work import cli
from tests.conftest import TINY


@dataclass(frozen=True)
class Inner:
    size: int = 4
    noise: float = 0.5


@dataclass(frozen=True)
class Outer:
    classes: int = 2
    blocks: tuple[int, ...] = (1, 1)
    rows: int | None = None
    inner: Inner = Inner()


def test_each_kind_of_value_is_replaced():
    given = encoded({"classes": 12, "blocks": [3, 4], "rows": 5, "inner": {"noise": 1}})
    assert replaced(Outer(), given) == Outer(12, (3, 4), 5, Inner(noise=1.0))
    assert replaced(Outer(), encoded(None)) == replaced(Outer(), NONE) == Outer()
    task = registry.get("cub_unet", "mini", encoded({"lr_range": {"sgd": [0.1, 1]}}))
    before = registry.get("cub_unet")
    assert asdict(task) == asdict(before) | {"lr_range": {**before.lr_range, "sgd": (0.1, 1)}}


def test_equal_settings_are_equal_texts():
    assert encoded({"a": 1, "b": 2}) == encoded({"b": 2, "a": 1})
    assert encoded({}) == encoded(None) == NONE


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"clases": 3}, "no setting 'clases'; did you mean classes"),
        ({"classes": 2.5}, "got 2.5 for Outer.classes, need a value like 2"),
        ({"classes": True}, "got True for Outer.classes"),
        ({"blocks": 3}, "got 3 for Outer.blocks"),
        ({"inner": {"length": 3}}, "Outer.inner has no setting 'length'; known: size, noise"),
        ({"inner": 3}, "got 3 for Outer.inner"),
        ([1], r"got settings=\[1\], need \{name: value\}"),
    ],
)
def test_what_does_not_fit_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        replaced(Outer(), encoded(given))


def run_ids(*overrides: str) -> list[str]:
    keys = [f"task={TINY}", "optimizers=[adam,sgd]", "runs=2", *overrides]
    return [unit.run_id for unit in generate.units(cli.parse("data_gen", GenerateConfig, keys))]


def test_replaced_numbers_decide_a_trial_and_the_scales_own_do_not_change_its_name():
    plain = run_ids()
    assert plain == run_ids("settings={}") == run_ids("settings={batch_size: 16}")
    assert not set(plain) & set(run_ids("settings={batch_size: 8}"))


def test_settings_reach_the_trial(tmp_path):
    keys = [f"task={TINY}", "optimizers=[adam]", "runs=1", "cycles=1", "period=1", f"out={tmp_path}"]
    units = generate.units(cli.parse("data_gen", GenerateConfig, [*keys, "settings={batch_size: 4}"]))
    (unit,) = units
    task, data = loaded(unit.trial, "cpu")
    assert task.batch_size == 4
    (row,) = trial.rows(unit.trial, task, data, unit.fingerprint)
    assert len(row["train_loss"]) == 16
