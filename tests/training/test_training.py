"""Samples to candidates: windows, the split, the loss, the metrics, and the stage."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import arc
from arc.network import weights
from arc.network.network import Network
from data_gen import store
from data_gen.samples import SAMPLE
from tasks.work import cli
from training import candidates, dataset, fast, targets
from training.config import TrainingConfig
from training.fit import blanked, fit
from training.loss import hybrid_loss
from training.metrics import calibration_error, measure, regret


def sample(run, cycle, label="keep", task="a", seed=0):
    """A period whose losses say what to do: rising for lower, falling for raise, flat for keep."""
    rng = np.random.default_rng([seed, cycle, sum(map(ord, run))])
    slope = {"raise": -1.0, "keep": 0.0, "lower": 1.0}[label]
    losses = 3 + slope * np.linspace(0, 1, 20) + 0.02 * rng.standard_normal(20)
    made = dict.fromkeys(SAMPLE.names)
    return made | {
        "run_id": run,
        "task": task,
        "optimizer": "adam",
        "lr0": 0.1,
        "period": 1,
        "cycle": cycle,
        "lr": 0.1,
        "train_loss": losses.tolist(),
        "val_loss": [float(losses[-1])],
        "raw": label,
        "label": label,
        "reason": "confirmed",
        **{f"{action}_loss": 1.0 if action == label else 2.0 for action in ("raise", "keep", "lower")},
    }


def write(folder, samples):
    for task in {s["task"] for s in samples}:
        rows = [s for s in samples if s["task"] == task]
        table = pa.Table.from_pylist(rows, schema=SAMPLE)
        store.write(f"{folder}/samples/task={task}/samples.parquet", table)
    return f"{folder}/samples"


def many(runs=12, cycles=4):
    labels = ("raise", "keep", "lower")
    return [
        sample(f"{task}{run}", cycle, labels[(run + cycle) % 3], task)
        for task in ("a", "b")
        for run in range(runs)
        for cycle in range(cycles)
    ]


def config(folder, **changes):
    overrides = [f"{k}={v}" for k, v in changes.items()]
    return cli.parse(
        "training", TrainingConfig, [f"samples={folder}/samples", f"out={folder}/candidates", *overrides]
    )


def test_windows_are_those_of_the_controller(tmp_path):
    rows = [sample("r", cycle) for cycle in range(5)]
    loaded = dataset.load(write(tmp_path, rows[::-1]))  # the order of the rows in a file is nothing
    periods = [arc.Period(train_loss=r["train_loss"], val_loss=r["val_loss"], lr=r["lr"]) for r in rows]
    for i in range(5):
        # float32 in the file against float64 here
        expected = arc.featurise(periods[max(0, i - 2) : i + 1])
        np.testing.assert_allclose(loaded.windows[i].numpy(), expected, atol=1e-4)


def test_split_keeps_runs_whole_and_tasks_balanced(tmp_path):
    loaded = dataset.load(write(tmp_path, many(runs=20)))
    train, held = dataset.split(loaded, 0.15, seed=0)
    assert len(train) + len(held) == len(loaded)
    assert not set(train.runs) & set(held.runs)
    for task in ("a", "b"):
        assert len(set(held.runs[held.tasks == task])) == 3
    assert set(dataset.split(loaded, 0.15, seed=1)[1].runs) != set(held.runs)


def test_windows_in_a_mapped_file_are_the_same_samples(tmp_path, monkeypatch):
    place = write(tmp_path, many())
    plain = dataset.load(place)
    monkeypatch.setattr(dataset, "IN_MEMORY", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    mapped = dataset.load(place)
    maps = Path("/proc/self/maps").read_text()
    assert f"{tmp_path}/arc-windows-" in maps  # on disk
    assert not list(tmp_path.glob("arc-windows-*"))  # without a name: nothing to clean up
    assert mapped.fingerprint() == plain.fingerprint()
    for one, other in zip(dataset.split(mapped, 0.2, 0), dataset.split(plain, 0.2, 0), strict=True):
        assert torch.equal(one.windows, other.windows)
        assert torch.equal(one.labels, other.labels)
        assert one.runs.tolist() == other.runs.tolist()
    fitted = [fit(*dataset.split(s, 0.2, 0), config(tmp_path, epochs=1), seed=0) for s in (mapped, plain)]
    assert fitted[0][1] == fitted[1][1], "training on them is the same training"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(ValueError, match="set TMPDIR"):
        dataset.load(place)


def test_split_needs_something_to_hold_out(tmp_path):
    loaded = dataset.load(write(tmp_path, [sample("r", 0)]))
    with pytest.raises(ValueError, match="generate more runs"):
        dataset.split(loaded, 0.15, seed=0)


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), *[st.floats(-5, 5)] * 3), min_size=1, max_size=8))
def test_hybrid_loss_equals_its_formula(rows):
    labels = [label for label, *_ in rows]
    logits = np.array([values for _, *values in rows])
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    categorical = -np.mean([math.log(p[i, label]) for i, label in enumerate(labels)])
    clipped = np.clip(p[:, 0], 1e-4, 1 - 1e-4)
    terms = [-math.log(clipped[i] if y == 0 else 1 - clipped[i]) for i, y in enumerate(labels) if y != 1]
    expected = 0.5 * categorical + 0.5 * (np.mean(terms) if terms else 0.0)
    found = hybrid_loss(torch.tensor(logits), targets.hard(torch.tensor(labels)).double()).item()
    assert found == pytest.approx(expected, rel=1e-6)


def test_blanking_zeroes_the_validation_channel_only():
    windows, seen = torch.ones(4, 300, 3), torch.tensor([True, False, False, True])
    half = blanked(windows, seen)
    assert bool((windows == 1).all())
    assert bool((half[:, :, [0, 2]] == 1).all())
    assert bool((half[:, :, 1] == seen[:, None]).all())


def test_fast_logits_and_their_gradients_are_the_networks():
    torch.manual_seed(0)
    network, windows, labels = Network(), torch.randn(7, 300, 3), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    windows[:3, :200] = 0.0  # a run's first window: much is equal, where pooling could choose otherwise

    def gradients(logits):
        network.zero_grad()
        hybrid_loss(logits, targets.hard(labels)).backward()
        return [p.grad.clone() for p in network.parameters()]

    plain, quick = network(windows), fast.logits(network, windows)
    torch.testing.assert_close(quick, plain, rtol=1e-5, atol=1e-6)
    for found, expected in zip(gradients(quick), gradients(plain), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_metrics_by_hand():
    probabilities = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7]])
    labels = np.array([0, 2, 1, 2])
    losses = np.array([[1, 2, 3], [1, 2, 3], [math.nan] * 3, [2, 2, 2]])
    found = measure(probabilities, labels, losses)
    assert found["accuracy"] == 0.75
    assert found["confusion"] == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
    assert found["weighted_accuracy"] == pytest.approx((3 - 1) / 4)
    assert found["mcc"] == pytest.approx(0.7, abs=0.01)
    gap = (0.2 + 0.6 + abs(2 - 1.4)) / 4  # bins hold 0.8 | 0.6 | 0.7 and 0.7
    assert calibration_error(probabilities, labels) == pytest.approx(gap)


def test_regret_by_hand():
    losses = np.array([[1.0, 3.0, 5.0], [1.0, math.nan, 2.0], [math.inf, math.nan, 2.0], [2.0, 2.0, 2.0]])
    assert regret(np.array([0, 0, 0, 0]), losses) == 0.0
    assert regret(np.array([1, 1, 1, 1]), losses) == pytest.approx((0.5 + 1) / 2)
    assert regret(np.array([2, 2, 2, 2]), losses) == 1.0


def soft(losses, chosen, repeated, runs=None):
    rows = np.array(losses, float)
    names = np.array(runs or ["r"] * len(rows))
    return targets.soft(rows, np.array(chosen), np.array(repeated, float), names).numpy()


def test_soft_targets_by_hand():
    found = soft([[1.0, 2.0, 3.0]], [0], [2.0])  # noise 1
    np.testing.assert_allclose(found[0], np.exp([0, -1, -2]) / np.exp([0, -1, -2]).sum(), rtol=1e-6)
    two = soft([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], [0, 2], [2.0, 6.0])  # the run's median is 2
    np.testing.assert_allclose(
        two[0], np.exp([0, -1 / 1.5, -2 / 1.5]) / np.exp([0, -1 / 1.5, -2 / 1.5]).sum(), rtol=1e-6
    )
    np.testing.assert_allclose(two[1], np.exp([0, -0.4, -0.8]) / np.exp([0, -0.4, -0.8]).sum(), rtol=1e-6)


def test_soft_targets_of_what_diverged_or_was_not_repeated():
    rows = [[math.nan] * 3, [1.0, math.inf, math.nan], [1.0, 2.0, 3.0], [0.5, 0.5, 0.5]]
    found = soft(rows, [-1, -1, -1, -1], [math.nan] * 4)
    np.testing.assert_allclose(found[:2], [[0, 0, 1], [1, 0, 0]])
    assert found[2][0] > found[2][1] > found[2][2] > 0
    np.testing.assert_allclose(found[3], 1 / 3)
    assert not np.isnan(soft([[1.0, 2.0, 3.0]], [1], [math.nan])).any()


finite_losses = st.lists(st.tuples(*[st.floats(0.1, 100)] * 3, st.floats(0.1, 100)), min_size=1, max_size=6)


@given(finite_losses, st.floats(0.1, 10), st.floats(-50, 50))
def test_soft_targets_do_not_depend_on_the_losses_unit(rows, scale, shift):
    losses, repeated = np.array([r[:3] for r in rows]), np.array([r[3] for r in rows])
    chosen = [i % 3 for i in range(len(rows))]
    plain = soft(losses, chosen, repeated)
    np.testing.assert_allclose(plain.sum(1), 1, rtol=1e-5)
    assert (plain.argmax(1) == losses.argmin(1)).all() or (np.ptp(np.sort(losses, 1)[:, :2], 1) < 1e-6).any()
    noise = np.abs(repeated - losses[np.arange(len(rows)), chosen])
    if noise.min() > 1e-3:  # below, rounding decides
        np.testing.assert_allclose(
            soft(losses * scale + shift, chosen, repeated * scale + shift), plain, atol=1e-4
        )


def test_metrics_of_a_single_class_do_not_warn():
    found = measure(np.array([[0.1, 0.8, 0.1]] * 3), np.array([1, 1, 1]), np.full((3, 3), math.nan))
    assert found["mcc"] == 0.0 and math.isnan(found["regret"])


def test_a_candidate_learns_what_the_samples_say_and_is_deterministic(tmp_path):
    loaded = dataset.load(write(tmp_path, many()))
    train, held = dataset.split(loaded, 0.2, seed=0)
    recipe = config(tmp_path, epochs=30, lr=5e-3, batch_size=32)
    network, history = fit(train, held, recipe, seed=0)
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert history[-1]["mcc"] > 0.5
    again, _ = fit(train, held, recipe, seed=0)
    other, _ = fit(train, held, recipe, seed=1)
    state, same = network.state_dict(), again.state_dict()
    assert all(torch.equal(state[k], same[k]) for k in state)
    assert not torch.equal(state["dense.2.weight"], other.state_dict()["dense.2.weight"])


def test_a_student_answers_what_its_teachers_answer_on_average(tmp_path):
    loaded = dataset.load(write(tmp_path, many()))
    train, held = dataset.split(loaded, 0.2, seed=0)
    teachers = []
    for seed in (0, 1):
        network, _ = fit(train, held, config(tmp_path, epochs=5, lr=5e-3, batch_size=32), seed=seed)
        weights.save(network, tmp_path / f"teachers/{seed}", {}, "")
        teachers.append(fast.answers(network, held.windows, "cpu").softmax(1))
    recipe = config(tmp_path, epochs=40, lr=5e-3, batch_size=32, teachers=tmp_path / "teachers", binary=0.0)
    answer = fast.answers(fit(train, held, recipe, seed=2)[0], held.windows, "cpu").softmax(1)
    apart = (teachers[0] - teachers[1]).abs().mean()
    assert (answer - sum(teachers) / 2).abs().mean() < apart / 3
    with pytest.raises(ValueError, match="no candidates in"):
        fit(train, held, config(tmp_path, teachers=tmp_path / "none"), seed=0)
    made_with = recipe.recipe()["teachers"]
    weights.save(network, tmp_path / "teachers/0", {}, "")
    assert recipe.recipe()["teachers"] != made_with


def test_bfloat16_products_train_the_same_network_up_to_rounding(tmp_path):
    loaded = dataset.load(write(tmp_path, many()))
    train, held = dataset.split(loaded, 0.2, seed=0)
    exact, rounded = (
        fit(train, held, config(tmp_path, epochs=2, precision=p), seed=0)[1][-1]
        for p in ("float32", "bfloat16")
    )
    assert rounded["train_loss"] != exact["train_loss"]
    assert rounded["train_loss"] == pytest.approx(exact["train_loss"], rel=0.01)


def test_stage_writes_candidates_goes_on_and_refuses_other_recipes(tmp_path, capsys):
    write(tmp_path, many(runs=4, cycles=2))
    arguments = [f"samples={tmp_path}/samples", f"out={tmp_path}/candidates", "epochs=1", "workers=1"]

    def stage(*overrides):
        return cli.main("training", TrainingConfig, candidates.train, [*arguments, *overrides])

    assert stage("candidates=1") == 0
    first = (tmp_path / "candidates/0/model.safetensors").read_bytes()
    assert stage("candidates=2") == 0
    assert (tmp_path / "candidates/0/model.safetensors").read_bytes() == first
    found = weights.read_config(tmp_path / "candidates/1")["config"]
    assert (found["candidate_seed"], found["epochs"], found["tasks"]) == (1, 1, ["a", "b"])
    assert sorted(p.name for p in (tmp_path / "candidates/1").iterdir()) == [
        "README.md",
        "config.json",
        "history.parquet",
        "model.safetensors",
    ]
    capsys.readouterr()
    assert stage("candidates=2", "epochs=2") == 2
    assert "another recipe" in capsys.readouterr().err
    (tmp_path / "candidates/0/config.json").write_text("{ cut off")
    assert stage("candidates=2") == 2
    assert "config.json is damaged" in capsys.readouterr().err
    assert stage("holdout=1.5") == 2
    assert "holdout=1.5" in capsys.readouterr().err


def test_missing_and_empty_samples(tmp_path):
    with pytest.raises(ValueError, match="no directory"):
        dataset.load(str(tmp_path / "none"))
    with pytest.raises(ValueError, match="no Parquet files"):
        dataset.load(str(tmp_path))
