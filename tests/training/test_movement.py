"""Fitting the network that sees movement: what it learns, the stage, and the report on tasks it never saw."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from arc.history.observation import LENGTH, NAMES
from arc.network import weights
from arc.network.estimator import Answer, Estimator
from tasks.work import cli
from tests.data_gen.test_sweep import swept as swept
from training.fit_estimator import Recipe, answers, blanked, distance_loss, fit
from training.movement import MovementConfig, train
from training.observations import FARTHEST, Observations
from training.offline import measures, report


def made(count: int, seed: int = 0) -> Observations:
    """Trainings whose first cosine tells the distance; one in two was branched."""
    rng = np.random.default_rng(seed)
    numbers = np.zeros((count, len(NAMES)), np.float32)
    distance = rng.uniform(-2, 2, count).astype(np.float32)
    numbers[:, NAMES.index("moved_0")] = 1
    numbers[:, NAMES.index("cos_0")] = -distance / 2
    soft = np.full((count, 3), np.nan, np.float32)
    soft[::2] = np.eye(3, dtype=np.float32)[np.where(distance[::2] < 0, 0, 2)]
    return Observations(
        windows=rng.normal(size=(count, LENGTH, 4)).astype(np.float32),
        numbers=numbers,
        distance=distance,
        soft=soft,
        label=np.where(np.isnan(soft[:, 0]), -1, np.nan_to_num(soft).argmax(1)),
        losses=np.full((count, 3), np.nan, np.float32),
        tasks=np.array(["a", "b"])[rng.integers(2, size=count)],
        runs=np.arange(count).astype(str),
        parameters=np.full(count, 1000),
        steps=np.full(count, 50),
    )


@pytest.fixture(scope="module")
def fitted() -> Estimator:
    recipe = Recipe(epochs=16, lr=4e-3)
    return fit(made(1500), recipe, seed=0)


def test_it_learns_the_distance_and_the_actions(fitted: Estimator) -> None:
    held = made(300, seed=1)
    found = answers(fitted, held)
    assert np.abs(found.distance.numpy() - held.distance).mean() < 0.25
    clear = np.abs(held.distance) > 0.5
    right = found.logits.argmax(1).numpy() == np.where(held.distance < 0, 0, 2)
    assert right[clear].mean() > 0.9
    assert (found.spread > 0).all()


def test_without_movement_it_says_that_it_does_not_know(fitted: Estimator) -> None:
    held = made(300, seed=1)
    held.numbers[:] = 0
    seen = answers(fitted, made(300, seed=1)).spread.mean()
    assert answers(fitted, held).spread.mean() > 1.5 * seen


def test_equal_seeds_fit_equal_networks() -> None:
    recipe, data = Recipe(epochs=1), made(200)
    one, two = fit(data, recipe, seed=3), fit(data, recipe, seed=3)
    for ours, theirs in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_loss_is_least_at_the_distance_and_its_mean_error() -> None:
    distance = torch.tensor([1.0, -1.0, math.nan])

    def loss(offset: float, spread: float) -> float:
        answer = Answer(torch.zeros(3, 3), distance.nan_to_num() + offset, torch.full((3,), spread))
        return float(distance_loss(answer, distance, torch.ones(3)))

    assert loss(0.0, 0.1) < loss(0.2, 0.1)
    assert loss(0.5, 0.5) < min(loss(0.5, 0.3), loss(0.5, 0.9))


def test_blanking_leaves_nothing_of_what_is_blanked() -> None:
    data = made(64)
    windows, numbers = torch.from_numpy(data.windows), torch.from_numpy(data.numbers)
    recipe = Recipe(without_losses=1, without_val=1, without_movement=1, without_time=1)
    generator = torch.Generator().manual_seed(0)
    blank, none = blanked(windows, numbers, recipe, generator, torch.zeros(len(NAMES)))
    assert not blank[:, :, :3].any() and torch.equal(blank[:, :, 3], windows[:, :, 3])
    assert not none.any() and windows[:, :, 0].any(), "the given ones stay"


def test_the_stage_fits_reports_and_goes_on(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [f"sweeps={swept}", f"out={tmp_path}/m", "candidates=2", "epochs=2", "workers=1", "seed=5"]
    assert cli.main("training.movement", MovementConfig, train, asked) == 0
    network = weights.load(tmp_path / "m" / "1")
    assert isinstance(network, Estimator)
    config = weights.read_config(tmp_path / "m" / "1")["config"]
    assert config["candidate_seed"] == 6 and config["tasks"] == ["tiny_task"]
    before = (tmp_path / "m" / "0" / "model.safetensors").stat().st_mtime_ns
    assert cli.main("training.movement", MovementConfig, train, asked) == 0
    assert (tmp_path / "m" / "0" / "model.safetensors").stat().st_mtime_ns == before
    assert cli.main("training.movement", MovementConfig, train, [*asked, "without=2"]) == 2
    assert "without=2" in capsys.readouterr().err


def test_the_report_counts_tasks_alike() -> None:
    found = pd.DataFrame(
        {
            "task": ["a"] * 9 + ["b"],
            "distance": [1.5] * 9 + [-1.0],
            "estimate": [1.5] * 9 + [1.0],
            "spread": np.linspace(0.1, 1, 10),
            "calls": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
            "steps": [10] * 10,
            "parameters": [1000] * 10,
            "moved": [True] * 10,
        }
    )
    assert measures(found) == {"error": 1.0, "direction": 0.9, "rank": measures(found)["rank"], "rows": 10}
    summary = report(found)
    assert summary["task"]["b"]["error"] == 2.0 and json.dumps(summary)
    assert FARTHEST == 3.0
