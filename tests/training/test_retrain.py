"""The committed trials still make a network that has learnt something, on runs that it never saw."""

from pathlib import Path

import numpy as np

from data_gen.label import LabelConfig, label
from tasks.work import cli
from training import dataset
from training.baselines import baseline
from training.config import TrainingConfig
from training.fit import fit
from training.metrics import measure

TRIALS = Path(__file__).parents[2] / "data_gen" / "trials"


def test_the_committed_trials_make_a_network_better_than_logistic_regression(tmp_path: Path) -> None:
    samples = f"{tmp_path}/samples"
    assert not label(cli.parse("data_gen.label", LabelConfig, [f"trials={TRIALS}", f"out={samples}"]))
    train, held = dataset.split(dataset.load(samples), 0.15, seed=0)
    recipe = cli.parse("training", TrainingConfig, ["epochs=6", "lr=3e-3"])
    _, history = fit(train, held, recipe, seed=0)
    found = history[-1]
    simple = measure(baseline("logistic regression", train, held), held.labels.numpy(), held.losses.numpy())
    # without any correlation, MCC is within two of these deviations
    assert found["mcc"] > 4 / np.sqrt(len(held))
    assert found["mcc"] > simple["mcc"] > 0
    assert found["regret"] < simple["regret"]
