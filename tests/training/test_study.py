"""``python -m training.study``: the page says what the samples say, and the baselines can learn."""

import numpy as np
import pytest

from arc.history.features import Period, featurise
from tasks.work import cli
from tests.training.test_training import many, write
from training import study
from training.baselines import NAMES, hand_features
from training.candidates import load
from training.study import StudyConfig


def features(*periods):
    return dict(zip(NAMES, hand_features(featurise(periods)[None])[0], strict=True))


def test_hand_features_of_one_period_and_of_three():
    falling = Period(train_loss=np.linspace(2, 1, 50), val_loss=[2.0, 1.0], lr=0.1)
    one = features(falling)
    assert one["periods"] == 1
    assert one["train_slope_3"] < 0 == one["train_slope_1"]
    assert one["val_seen"] == 1
    assert one["train_noise"] < 0.1

    rising = Period(train_loss=np.linspace(1, 2, 50), lr=0.1618)
    three = features(falling, falling, rising)
    assert three["periods"] == 3
    assert three["train_slope_3"] > 0 > three["train_slope_2"]
    assert three["lr_step"] == pytest.approx(np.log(1.618), rel=1e-5)
    assert three["train_last"] > 0


def test_the_study_writes_its_page_and_goes_on_where_it_stopped(tmp_path, capsys):
    samples = write(tmp_path, many())
    arguments = [
        f"samples={samples}",
        f"out={tmp_path}/page",
        f"fits={tmp_path}/fits",
        "epochs=2",
        "seeds=1",
        "workers=1",
    ]
    assert cli.main("training.study", StudyConfig, study.study, arguments) == 0
    page = (tmp_path / "page" / "README.md").read_text()
    assert "96 samples of 24 runs of 2 tasks" in page
    assert "| all | 96 | 0.000 | 1.000 | 0.333 | 0.333 | 0.333 |" in page
    assert "logistic regression" in page
    assert (tmp_path / "page" / "study.png").stat().st_size > 10_000
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "fits").iterdir()}
    assert cli.main("training.study", StudyConfig, study.study, arguments) == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "fits").iterdir()}


def test_every_fit_has_a_file_of_its_own(tmp_path):
    samples = load(str(write(tmp_path, many())))
    config = StudyConfig(
        samples="",
        out="",
        fits="",
        epochs=1,
        lr=1e-3,
        precision="float32",
        holdout=0.2,
        seed=0,
        seeds=3,
        workers="1",
    )
    asked = list(study.units(config, samples))
    assert {unit.seed for unit in asked} == {0, 1, 2} and len({unit.path for unit in asked}) == len(asked)
