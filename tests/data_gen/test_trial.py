"""One trial run: its rows, its determinism, and what happens where a training diverges."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from arc.actions import Action
from data_gen import branches, schema, store
from data_gen.generate import load
from data_gen.samples import samples_of
from data_gen.trial import Trial, rows
from tasks.base import Source
from tasks.loop import Evaluation, TaskRun
from tasks.together import Together
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
    train = TaskRun.train

    def diverges_above(self, steps):
        return [math.nan] * steps if self.lr > 1.5e-2 else train(self, steps)

    monkeypatch.setattr(TaskRun, "train", diverges_above)
    for index in range(5):
        first = run(trial(index=index))[0]
        assert math.isnan(first["raise_val_loss"][-1])
        assert first["chosen"] in ("keep", "lower")


# -- branches together -------------------------------------------------------------------------------


def test_ids_of_trials_are_what_they_were_before_there_was_a_choice():
    task, _ = load(TINY, "mini", Source(), "cpu")
    asked = trial(index=3, seed=1, lr_range=None, period=1, cycles=2)
    assert asked.run_id(task, "f") == "2e5dc0f02d7ad728"
    assert replace(asked, optimizers=("sgd",)).run_id(task, "f") == "2d4afe3d02000e32"
    assert replace(asked, branches="together").run_id(task, "f") != asked.run_id(task, "f")


def test_together_follows_the_procedure_and_repeats_itself():
    found, alone = run(trial(branches="together")), run(trial())
    assert found == run(trial(branches="together"))
    assert len(found) == 4
    assert found[0]["train_loss"] == alone[0]["train_loss"]
    assert found[0]["run_id"] != alone[0]["run_id"]
    for row in found:
        lengths = [len(row[f"{a.label}_val_loss"]) for a in Action]
        assert lengths == [2, 2, 2]
    for row, after in itertools.pairwise(found):
        assert after["lr"] == pytest.approx(row["lr"] * Action[row["chosen"].upper()].multiplier)


def test_together_and_sequential_branches_agree_within_noise():
    def finals(mode: str, seed: int) -> list[float]:
        (row,) = run(trial(branches=mode, seed=seed, cycles=1))
        return [row[f"{a.label}_val_loss"][-1] for a in Action]

    seeds = range(12)
    differences = np.subtract(
        [finals("together", s) for s in seeds], [finals("sequential", s) for s in seeds]
    )
    assert (np.abs(differences.mean(0)) < 3 * differences.std(0, ddof=1) / len(seeds) ** 0.5).all()
    assert (np.abs(differences) < 0.1).all()


def test_together_without_dropout_is_sequential_but_for_rounding(monkeypatch):
    monkeypatch.setattr("torch.nn.Dropout.forward", lambda self, x: x)
    (found,), (alone,) = run(trial(branches="together", cycles=1)), run(trial(cycles=1))
    for action in Action:
        column = f"{action.label}_val_loss"
        assert found[column] == pytest.approx(alone[column], rel=1e-4)


def test_a_branch_that_diverges_stops_while_the_others_go_on(monkeypatch):
    evaluate = TaskRun.evaluate

    def diverges_above(self, split="val", *, metric=True):
        return Evaluation(math.nan, None) if self.lr > 1.5e-2 else evaluate(self, split, metric=metric)

    expected = run(trial(branches="together", cycles=1))[0]
    monkeypatch.setattr(TaskRun, "evaluate", diverges_above)
    found = run(trial(branches="together", cycles=2))[0]
    assert len(found["raise_val_loss"]) == 1
    assert math.isnan(found["raise_val_loss"][0])
    assert found["keep_val_loss"] == expected["keep_val_loss"]
    assert found["lower_val_loss"] == expected["lower_val_loss"]
    assert found["chosen"] in ("keep", "lower")


def test_branches_that_really_explode_leave_the_others_finite():
    task, data = load(TINY, "mini", Source(), "cpu")
    group = Together([TaskRun(task, data, optimizer="sgd", lr=1e-2, seed=0) for _ in Action])
    found = branches.together(group, lambda r, a: r.set_lr(1e30 if a == Action.RAISE else 1e-2), 2)
    assert math.isnan(found[Action.RAISE][-1])
    assert len(found[Action.RAISE]) == 1
    for action in (Action.KEEP, Action.LOWER):
        assert len(found[action]) == 2
        assert all(map(math.isfinite, found[action]))
