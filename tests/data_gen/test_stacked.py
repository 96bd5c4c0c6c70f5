"""Trials that are one training: rows like those of trials alone, blocks that are made whole."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from data_gen import generate, stacked, trial
from data_gen.generate import GenerateConfig
from data_gen.samples import samples_of
from data_gen.store import trial_table
from tasks.work import cli
from tasks.work.answers import Stopped
from tests.data_gen.test_generate import config, contents
from tests.data_gen.test_resume import ends_after

COLUMNS = ("val_loss", "raise_val_loss", "keep_val_loss", "lower_val_loss", "train_loss", "step", "distance")


def test_stacked_rows_are_those_of_trials_alone_in_distribution(tmp_path: Path) -> None:
    count = 48
    asked = [f"runs={count}", "period=2", "optimizers=[adam]", "epoch_steps=6", "clip=[0.3,3]"]
    found = {}
    for way in (f"stack={count}", "branches=sequential"):
        units = list(generate.units(config(tmp_path, *asked, way)))
        task, data = units[0].loaded()
        trials, print_ = [unit.trial for unit in units], units[0].fingerprint
        if way.startswith("stack"):
            made = [rows for _, rows in stacked.rows(trials, task, data, print_, "cpu", 0)]
        else:
            made = [list(trial.rows(one, task, data, print_)) for one in trials]
        found[way] = [row for rows in made for row in rows]
    together, alone = found.values()
    for name in COLUMNS:
        ends = [np.array([row[name][-1] for row in rows if row[name]]) for rows in (together, alone)]
        ends = [values[np.isfinite(values)] for values in ends]
        assert stats.ks_2samp(*ends).pvalue > 0.01, name
        assert abs(ends[0].mean() - ends[1].mean()) < 0.25 * ends[1].std(), name
    labels = [samples_of(trial_table(rows, {}))["label"].to_pylist() for rows in (together, alone)]
    counts = np.array([[own.count(action) for action in ("raise", "keep", "lower")] for own in labels])
    assert stats.chi2_contingency(counts + 1).pvalue > 0.01


def test_the_stage_makes_blocks_and_a_block_that_was_ended_is_made_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units = list(generate.units(config(tmp_path / "cut", "runs=6", "stack=3")))
    blocks = stacked.blocks(units, 3)
    assert [[unit.trial.index for unit in block.units] for block in blocks] == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(Stopped):
        blocks[0].run(ends_after(2, Stopped))
    assert sum(block.run() for block in blocks) == 12
    again = stacked.blocks(list(generate.units(config(tmp_path / "whole", "runs=3", "stack=3"))), 3)
    assert again[0].run() == 6
    whole = contents(tmp_path / "whole")
    assert whole.items() <= contents(tmp_path / "cut").items()
    arguments = [f"out={tmp_path}/cut", "runs=6", "stack=3", "cycles=2", "max_period=2", "workers=1"]
    arguments += [f"task={units[0].trial.task}", "optimizers=[adam,sgd]"]
    assert cli.main("data_gen", GenerateConfig, generate.generate, arguments, logged=False) == 0
    assert "6 trials asked for, 6 there, 0 to run" in capsys.readouterr().err


def test_what_cannot_be_stacked_is_trained_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["runs=2", "stack=2", "precision=bfloat16"]
    (block,) = stacked.blocks(list(generate.units(config(tmp_path, *asked))), 2)
    assert block.run() == 4
    assert "one by one: " in capsys.readouterr().err


@pytest.mark.parametrize("key", ["stack=1", "stack=3", "stack=2 branches=together"])
def test_a_stack_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str) -> None:
    arguments = ["runs=4", f"out={tmp_path}", *key.split()]
    assert cli.main("data_gen", GenerateConfig, lambda _: pytest.fail("it ran"), arguments, logged=False) == 2
    assert "divides runs" in capsys.readouterr().err
