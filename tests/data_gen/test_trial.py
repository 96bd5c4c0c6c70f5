"""One trial run: its rows, its determinism, and what happens where a training diverges."""

import math
from dataclasses import replace

import numpy as np
import pytest

from arc.actions import Action
from data_gen import schema, store
from data_gen.generate import load
from data_gen.samples import samples_of
from data_gen.trial import Trial, rows
from tasks.base import Source
from tests.conftest import TINY


def trial(**changes) -> Trial:
    asked = Trial(
        task=TINY,
        scale="mini",
        source=Source(),
        index=0,
        seed=0,
        optimizers=("adam",),
        lr_range=(1e-2, 1e-2),
        period=2,
        max_period=10,
        cycles=4,
    )
    return replace(asked, **changes)


def run(asked: Trial) -> list[dict]:
    task, data = load(asked.task, asked.scale, asked.source, "cpu")
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows(asked, task, data, "f")]


def test_rows_follow_the_procedure():
    found = run(trial())
    assert [row["cycle"] for row in found] == [0, 1, 2, 3]
    assert len({row["run_id"] for row in found}) == 1
    for row, after in zip(found, [*found[1:], None], strict=True):
        assert len(row["train_loss"]) == 2 * 64 // 16
        for column in ("val_loss", "val_metric", "raise_val_loss", "keep_val_loss", "lower_val_loss"):
            assert len(row[column]) == 2
        if after is None:
            assert row["chosen"] is None
        else:
            action = Action[row["chosen"].upper()]
            assert after["lr"] == pytest.approx(row["lr"] * action.multiplier)
            finals = {a: row[f"{a.label}_val_loss"][-1] for a in Action}
            assert finals[action] < max(finals.values())


def test_the_next_trunk_repeats_the_branch_with_other_randomness():
    first, second = run(trial())[:2]
    repeated = first[f"{first['chosen']}_val_loss"]
    assert second["val_loss"] != repeated
    assert second["val_loss"] == pytest.approx(repeated, rel=0.5)


def test_same_seed_same_trial_and_each_part_of_the_key_matters():
    assert run(trial()) == run(trial())
    for changes in ({"seed": 1}, {"index": 1}):
        other = run(trial(**changes))
        assert other[0]["train_loss"] != run(trial())[0]["train_loss"]
        assert other[0]["run_id"] != run(trial())[0]["run_id"]


def test_a_shorter_trial_is_the_beginning_of_a_longer_one():
    short, long = run(trial(cycles=2)), run(trial(cycles=4))
    assert short[0]["raise_val_loss"] == long[0]["raise_val_loss"]
    assert short[1]["train_loss"] == long[1]["train_loss"]


def test_draws_are_log_uniform_in_the_range_of_the_drawn_optimizer():
    asked = [trial(index=i, optimizers=("adam", "sgd"), lr_range=None, period=None) for i in range(400)]
    task, _ = load(TINY, "mini", Source(), "cpu")
    draws = [t.draw(task) for t in asked]
    assert {period for _, _, period in draws} == set(range(1, 11))
    for name, (low, high) in task.lr_range.items():
        positions = [math.log(lr / low) / math.log(high / low) for o, lr, _ in draws if o == name]
        assert len(positions) > 150
        assert min(positions) >= 0
        assert max(positions) <= 1
        assert np.histogram(positions, bins=4, range=(0, 1))[0].min() > len(positions) / 8


def test_a_trunk_that_diverges_ends_the_run_with_usable_rows():
    found = run(trial(optimizers=("sgd",), lr_range=(1e30, 1e30)))
    assert len(found) == 1
    assert math.isnan(found[0]["val_loss"][-1])
    assert found[0]["raise_val_loss"] == found[0]["keep_val_loss"] == found[0]["lower_val_loss"] == []
    assert found[0]["chosen"] is None
    assert store.trial_table([found[0] | {"seconds": 0.0}], {}).schema.equals(schema.TRIAL)


def test_branches_that_all_diverge_end_the_run(monkeypatch):
    from tasks.loop import TaskRun

    train = TaskRun.train
    monkeypatch.setattr(
        TaskRun,
        "train",
        lambda self, steps: [math.nan] * steps if self.step_count >= 8 else train(self, steps),
    )
    found = run(trial())
    assert len(found) == 1
    assert math.isfinite(found[0]["val_loss"][-1])
    for action in Action:
        assert math.isnan(found[0][f"{action.label}_val_loss"][-1])
    assert found[0]["chosen"] is None
    (sample,) = samples_of(store.trial_table([found[0] | {"seconds": 0.0}], {})).to_pylist()
    assert (sample["label"], sample["reason"]) == ("lower", "last")


def test_a_diverged_branch_is_not_chosen(monkeypatch):
    from tasks.loop import TaskRun

    train = TaskRun.train

    def diverges_above(self, steps):
        return [math.nan] * steps if self.lr > 1.5e-2 else train(self, steps)

    monkeypatch.setattr(TaskRun, "train", diverges_above)
    for index in range(5):
        first = run(trial(index=index))[0]
        assert math.isnan(first["raise_val_loss"][-1])
        assert first["chosen"] in ("keep", "lower")
