"""One trial run: its rows, its determinism, and what happens where a training diverges."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from arc.actions import Action
from data_gen import branches, schema, store
from data_gen.movement import Tracker
from data_gen.samples import samples_of
from data_gen.trial import REPEATS, rows
from data_gen.trial_settings import Trial
from data_gen.unit import load
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


def same(found: list[dict], others: list[dict]) -> bool:
    """Equal to the last bit, a NaN being equal to itself."""
    return repr(found) == repr(others)


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
    assert same(run(trial()), run(trial()))
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
    assert {d.period for d in draws} == set(range(1, 11))
    for name, (low, high) in task.lr_range.items():
        positions = [math.log(lr / low) / math.log(high / low) for o, lr, _, _ in draws if o == name]
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


def test_the_id_knows_everything_that_decides_a_trial(monkeypatch):
    task, _ = load(TINY, "mini", Source(), "cpu")
    asked = trial(index=3, seed=1, lr_range=None, period=1, cycles=2)
    changes = ({"optimizers": ("sgd",)}, {"branches": "together"}, {"clip": 1.0}, {"epoch_steps": (2, 9)})
    ids = [replace(asked, **change).run_id(task, "f") for change in ({}, *changes, {"repeats": 0.5})]
    ids.append(asked.run_id(task, "other data"))
    monkeypatch.setattr("tasks.registry.digest", lambda name: "an edited file")
    ids.append(asked.run_id(task, "f"))
    assert len(set(ids)) == len(ids)


def test_together_follows_the_procedure_and_repeats_itself():
    found, alone = run(trial(branches="together")), run(trial())
    assert same(found, run(trial(branches="together")))
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
    past = Tracker(group.runs[0])
    found = branches.together(group, lambda r, a: r.set_lr(1e30 if a == Action.RAISE else 1e-2), 2, past)
    assert math.isnan(found[Action.RAISE].val_loss[-1])
    assert len(found[Action.RAISE].val_loss) == 1
    for action in (Action.KEEP, Action.LOWER):
        assert len(found[action].val_loss) == len(found[action].moved) == 2
        assert all(map(math.isfinite, found[action].val_loss))


# -- recipes, repetitions, roll-outs -------------------------------------------------------------------


def test_ranges_are_drawn_log_uniformly_and_shape_the_run():
    ranges = {"epoch_steps": (3, 12), "batch_size": (4, 32), "weight_decay": (1e-4, 1e-1), "warmup": (2, 8)}
    asked = [trial(index=i, clip=0.5, **ranges) for i in range(300)]
    task, _ = load(TINY, "mini", Source(), "cpu")
    recipes = [t.draw(task).recipe for t in asked]
    assert {r.batch_size for r in recipes} == {4, 8, 16, 32}
    assert {r.clip for r in recipes} == {0.5}
    assert all(3 <= r.epoch_steps <= 12 and 2 <= r.warmup <= 8 for r in recipes)
    decays = np.log10([r.weight_decay for r in recipes])
    assert np.histogram(decays, bins=3, range=(-4, -1))[0].min() > 70
    row = run(trial(epoch_steps=5, batch_size=8, weight_decay=0.1, clip=0.5, warmup=7, cycles=2))[1]
    assert len(row["train_loss"]) == 2 * 5
    shown = ("epoch_steps", "pass_steps", "batch_size", "weight_decay", "clip", "warmup", "precision")
    assert [row[k] for k in shown] == [5, 8, 8, 0.1, 0.5, 7, "float32"]


def test_repeated_branches_are_drawn_per_row_and_have_other_randomness():
    found = run(trial(repeats=0.5, cycles=12, period=1))
    counts = [len(row["keep_repeats"]) for row in found]
    assert set(counts) == {0, REPEATS}
    row = found[counts.index(REPEATS)]
    losses = [row["raise_val_loss"][-1], *row["raise_repeats"]]
    assert len(set(losses)) == len(losses)
    plain = run(trial(cycles=12, period=1))
    assert [r["val_loss"] for r in plain] == [r["val_loss"] for r in found]


def test_roll_outs_go_to_the_end_and_leave_the_run_as_it_was():
    found = run(trial(rollouts=1.0, lr_range=(1e-4, 1e-4)))
    assert [len(row["rollout_val_loss"]) for row in found] == [5, 5, 5, 0]
    ends = found[0]["rollout_val_loss"]
    assert ends[4] < ends[2] < ends[0]  # far too low an LR: ten times as much is better
    assert [row["val_loss"] for row in run(trial(lr_range=(1e-4, 1e-4)))] == [r["val_loss"] for r in found]


# -- movement -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["sequential", "together"])
def test_the_movement_is_that_of_the_weights(monkeypatch, mode):
    """Against a naive computation from every state that an evaluation saw."""
    states: dict[int, list[torch.Tensor]] = {}
    evaluate = TaskRun.evaluate

    def noting(self, *args, **settings):
        flat = torch.cat([p.detach().flatten() for p in self.model.parameters()]).double()
        states.setdefault(id(self), []).append(flat)
        return evaluate(self, *args, **settings)

    monkeypatch.setattr(TaskRun, "evaluate", noting)
    (row,) = run(trial(cycles=1, branches=mode, period=3))
    first, second, third = next(iter(states.values()))[:3]
    changes = [second - first, third - second]
    assert row["step"][1:] == pytest.approx([float(c.norm()) for c in changes])
    assert row["norm"] == pytest.approx([float(s.norm()) for s in (first, second, third)])
    cosine = float(torch.dot(*changes) / changes[0].norm() / changes[1].norm())
    assert row["cosine"][2] == pytest.approx(cosine)
    assert row["move_cos"] == pytest.approx(cosine)
    assert math.isnan(row["cosine"][0])
    assert row["distance"][0] == pytest.approx(row["step"][0])
    assert row["move_eff"] == pytest.approx(row["distance"][2] / sum(row["step"]))
    assert row["move_dist"] == pytest.approx(math.log10(row["distance"][2] / row["start_norm"]))
    assert len(row["tensor_cosine"]) == len(row["tensor_step"]) == 3 * 5
    for action in Action:
        assert len(row[f"{action.label}_step"]) == 3
        assert all(map(math.isfinite, row[f"{action.label}_cosine"]))  # the trunk is the epoch before


def test_a_higher_lr_moves_farther():
    (row,) = run(trial(cycles=1, lr_range=(1e-4, 1e-4)))
    assert row["raise_step"][0] > row["keep_step"][0] > row["lower_step"][0] > 0
