"""A trial that is killed goes on after its last saved cycle, to the same rows; its name stays the same."""

from pathlib import Path

import pytest

import data_gen.unit
from data_gen import generate, schema, store, trial, trial_settings
from data_gen.trial_settings import Trial
from data_gen.unit import TrialUnit
from tasks import registry
from tasks.base import Source
from tasks.work import checkpoint
from tasks.work.answers import Stopped
from tests.conftest import TINY
from tests.data_gen.test_generate import config, contents


class Killed(BaseException):
    """Nothing in the program catches it, as nothing catches SIGKILL."""


def unit(out: Path, *overrides: str) -> TrialUnit:
    asked = ["runs=1", "cycles=5", "repeats=0.5", "rollouts=0.3", "warmup=[3,9]", *overrides]
    return next(generate.units(config(out, *asked)))


def ends_after(cycles: int, error: type[BaseException]):
    ticks = iter(range(1, 100))

    def tick() -> None:
        if next(ticks) == cycles:
            raise error

    return tick


@pytest.fixture
def saves_every_cycle(monkeypatch):
    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", 0.0)


@pytest.mark.usefixtures("saves_every_cycle")
@pytest.mark.parametrize("branches", ["sequential", "together"])
@pytest.mark.parametrize("cycles", [(1,), (2, 4)])
def test_a_killed_trial_goes_on_to_the_same_rows(tmp_path, branches, cycles):
    assert unit(tmp_path / "whole", f"branches={branches}").run() == 5
    cut = unit(tmp_path / "cut", f"branches={branches}")
    for number in cycles:
        with pytest.raises(Killed):
            cut.run(ends_after(number, Killed))
    began = []
    train = trial.rows

    def noticing(*arguments):
        began.append(arguments[-1].state["cycle"])
        return train(*arguments)

    trial.rows, ticks = noticing, []
    try:
        assert cut.run(lambda: ticks.append(None)) == 5
    finally:
        trial.rows = train
    assert began == [cycles[-1]] and len(ticks) == 5
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert [path.name for path in Path(cut.path).parent.iterdir()] == [Path(cut.path).name]
    whole = store.read(unit(tmp_path / "whole", f"branches={branches}").path, schema.TRIAL)
    assert store.read(cut.path, schema.TRIAL).schema.equals(whole.schema)


def test_a_trial_that_is_told_to_stop_saves_the_cycle_and_the_last_one_is_finished(tmp_path):
    cut = unit(tmp_path / "cut")
    with pytest.raises(Stopped):
        cut.run(ends_after(3, Stopped))
    assert checkpoint.Checkpoint(cut.path).read()["progress"]["cycle"] == 3
    assert cut.run(ends_after(5, Stopped)) == 5  # there is nothing left to go on with: it is written
    unit(tmp_path / "whole").run()
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_nothing_is_saved_of_a_short_trial(tmp_path, monkeypatch):
    monkeypatch.setattr(data_gen.unit, "_save", lambda *_: pytest.fail("it was saved"))
    assert unit(tmp_path).run() == 5


def test_names_of_trials_stay_what_they_were(monkeypatch):
    """Sets of trials are gone on with for months: a name changes only with what it names."""
    monkeypatch.setattr(registry, "digest", lambda name: "file")
    monkeypatch.setattr(trial_settings, "_DECISIVE", {})
    asked = {"task": TINY, "scale": "mini", "source": Source(), "index": 3, "seed": 7, "cycles": 4}
    asked |= {"optimizers": ("adam", "sgd"), "lr_range": None, "period": None, "max_period": 3}
    drawn = {"branches": "together", "epoch_steps": (10.0, 80.0), "repeats": 0.1, "rollouts": 0.03}
    task = registry.get(TINY)
    assert Trial(**asked).run_id(task, "data") == "395f0a32b3e6074c"
    assert Trial(**asked, **drawn).run_id(task, "data") == "735e664af1fe210d"
    assert schema.VERSION == 2
