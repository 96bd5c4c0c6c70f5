"""Candidates on the proxy: the ranking by hand, and the stage from candidates to controller."""

import math

import pandas as pd
import pytest
import torch

import arc
from arc.network import weights
from proxy_eval import select
from proxy_eval.level import choose, last_scores
from proxy_eval.ranking import ranking
from proxy_eval.select import SelectConfig
from tasks.work import cli
from tests.conftest import TINY

MADE = {
    "candidate": 0,
    "candidate_seed": 0,
    "epochs": 1,
    "batch_size": 128,
    "lr": 1e-4,
    "schedule": "cosine",
    "targets": "soft",
    "blank": 0.5,
    "binary": 0.5,
    "teachers": None,
    "precision": "float32",
    "samples": "f",
    "training_samples": 10,
    "held_out_samples": 2,
    "tasks": ["a"],
    "runs": 3,
    "metrics": {
        "accuracy": 0.5,
        "mcc": 0.1,
        "weighted_accuracy": 0.2,
        "regret": 0.3,
        "calibration_error": 0.1,
    },
}


def runs(scores, task="t"):
    return pd.DataFrame(
        [
            {"candidate": name, "task": task, "lr0": 0.1, "score": score}
            for name, values in scores.items()
            for score in values
        ]
    )


def test_ranking_by_mean():
    ranked = ranking(runs({"0": [0.5, 0.9], "1": [0.8, 0.8]}))
    assert list(ranked.index) == ["1", "0"]
    assert ranked["mean"].tolist() == pytest.approx([0.8, 0.7])
    assert ranked["worst"].tolist() == pytest.approx([0.8, 0.5])


def test_a_run_without_a_metric_counts_as_the_worst():
    ranked = ranking(runs({"0": [0.9, math.nan], "1": [0.2, 0.8]}))
    assert ranked.loc["0", "mean"] == pytest.approx((0.9 + 0.2) / 2)


def test_tasks_of_different_units_weigh_the_same():
    accuracy = runs({"0": [0.9], "1": [0.8]}, "accuracy")
    minus_perplexity = runs({"0": [-300.0], "1": [-100.0]}, "lm")
    ranked = ranking(pd.concat([accuracy, minus_perplexity], ignore_index=True))
    assert ranked["mean"].tolist() == pytest.approx([0.75, 0.75])


def chosen(scores, regret):
    """``scores``: candidate to (repeats, tasks); candidates are asked for best mean first."""
    rows = [
        {"candidate": name, "repeat": r, "task": t, "lr0": 0.1, "score": score}
        for name, table in scores.items()
        for r, line in enumerate(table)
        for t, score in enumerate(line)
    ]
    return choose(pd.DataFrame(rows), list(scores), regret, seed=0)


def test_a_candidate_that_has_no_rival_is_not_clear_of_one():
    assert str(chosen({"0": [[0.9, 0.8]] * 3}, {"0": 0.1})) == "candidate 0 is the only one"


def test_a_candidate_that_is_clearly_better_wins_whatever_its_regret():
    found = chosen({"1": [[0.9, 0.8]] * 3, "0": [[0.8, 0.7]] * 3}, {"0": 0.1, "1": 0.5})
    assert (found.name, found.level) == ("1", ("1",))
    assert "candidate 1 is the best, clear of the next" in str(found)


def test_among_level_candidates_the_held_out_regret_decides_then_the_index():
    # better on one task, worse on the other: other tasks might turn it
    scores = {"10": [[0.9, 0.5]] * 3, "9": [[0.6, 0.7]] * 3, "2": [[0.1, 0.1]] * 3}
    found = chosen(scores, {"10": 0.3, "9": 0.2, "2": 0.0})
    assert (found.name, found.level) == ("9", ("10", "9"))
    assert str(found).startswith("no difference between the first 2 (10, 9; 95 %, tasks and seeds redrawn)")
    assert chosen(scores, {"10": 0.3, "9": 0.3, "2": 0.0}).name == "9"


def test_one_run_tells_nothing_apart_and_one_task_has_its_seeds():
    assert chosen({"1": [[0.9, 0.9]], "0": [[0.1, 0.1]]}, {"0": 0.1, "1": 0.2}).level == ("1", "0")
    one_task = chosen({"1": [[0.9], [0.8]], "0": [[0.1], [0.2]]}, {"0": 0.1, "1": 0.2})
    assert (one_task.level, one_task.redrawn) == (("1",), "seeds")


def test_the_last_value_counts_and_a_lost_run_is_the_untrained_net():
    rows = pd.DataFrame(
        {
            "task": ["a", "a", "a", "a", "b"],
            "last": [0.6, 1.0, math.nan, 0.1, -300.0],
            "untrained": [0.2, 0.2, 0.2, 0.2, -300.0],
        }
    )
    assert last_scores(rows).tolist() == pytest.approx([0.5, 1.0, 0.0, 0.0, 0.0])


def candidate(folder, index, action=None):
    torch.manual_seed(index)
    network = arc.Network()
    if action is not None:  # an answer that does not depend on the history
        torch.nn.init.zeros_(network.dense[2].weight)
        torch.nn.init.zeros_(network.dense[2].bias)
        network.dense[2].bias.data[action] = 9.0
    weights.save(network, folder / str(index), MADE | {"candidate": index}, "a candidate")


def test_stage_picks_the_candidate_that_trains_best(tmp_path, capsys):
    candidate(tmp_path / "c", 0, arc.Action.LOWER)
    candidate(tmp_path / "c", 1, arc.Action.RAISE)  # right for an LR far too low
    arguments = [
        f"candidates={tmp_path}/c",
        f"out={tmp_path}/controller",
        f"runs={tmp_path}/proxy",
        f"task={TINY}",
        "lr0=[1e-4]",
        "repeats=2",
        "epochs=12",
        "period=1",
        "workers=1",
    ]
    assert cli.main("proxy_eval", SelectConfig, select.select, [*arguments, "shard=1/2"]) == 0
    assert "2 proxy runs are left to other shards" in capsys.readouterr().err
    assert not (tmp_path / "controller").exists()
    assert cli.main("proxy_eval", SelectConfig, select.select, arguments) == 0
    printed = capsys.readouterr()
    assert "2 there, 2 to run" in printed.err
    assert printed.out.splitlines()[1].split()[0] == "1"
    assert "candidate 1 is the best, clear of the next (95 %, seeds redrawn)" in printed.out
    exported = weights.load(tmp_path / "controller")
    winner = weights.load(tmp_path / "c" / "1")
    assert torch.equal(exported.dense[2].bias, winner.dense[2].bias)
    proxy = weights.read_config(tmp_path / "controller")["config"]["proxy"]
    assert set(proxy["scores"]) == {"0", "1"}
    assert proxy["scores"]["1"] > proxy["scores"]["0"]
    card = (tmp_path / "controller/README.md").read_text()
    assert "candidate 1 of 2" in card

    parts = sorted((tmp_path / "proxy/task=tiny_task").iterdir())
    assert len(parts) == 4
    frame = pd.concat([pd.read_parquet(part, partitioning=None) for part in parts])
    assert {len(lrs) for lrs in frame["lr"]} == {len(actions) for actions in frame["actions"]} == {12}
    best = frame[frame["candidate"] == "1"]  # the other one may end where it began
    assert (best["untrained"] < best["last"]).all() and (best["last"] <= best["score"]).all()

    assert cli.main("proxy_eval", SelectConfig, select.select, arguments) == 0
    assert "0 to run" in capsys.readouterr().err


def test_the_papers_selection_is_the_mean_of_the_best_on_one_task(tmp_path, capsys):
    config = cli.parse("proxy_eval", SelectConfig, ["experiment=paper_proxy"])
    assert (config.policy, config.rule, config.task, config.repeats) == ("paper", "mean", "svhn_wrn", 5)
    default = cli.parse("proxy_eval", SelectConfig, [])
    assert default.policy == "shipped" and len(default.task) > 1
    names = {unit.task for unit in asked_of(tmp_path)}
    assert names == set(default.task)

    candidate(tmp_path / "c", 1)
    arguments = [
        "experiment=mini_proxy",
        f"candidates={tmp_path}/c",
        f"out={tmp_path}/o",
        f"runs={tmp_path}/r",
    ]
    arguments += [f"task={TINY}", "lr0=[1e-2]", "repeats=1", "epochs=1", "workers=1"]
    assert cli.main("proxy_eval", SelectConfig, select.select, arguments) == 0
    assert "mean best metric" in (tmp_path / "o/README.md").read_text()


def asked_of(place):
    """All runs that the defaults ask for, one candidate."""
    candidate(place / "c", 0)
    return select.units(cli.parse("proxy_eval", SelectConfig, [f"candidates={place}/c"]), "cpu")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("candidates=none", "no candidates"),
        ("lr0=[]", "lr0=[]"),
        ("lr0=[-1]", "lr0=[-1.0]"),
        ("repeats=0", "repeats=0"),
        ("optimizer=adm", "did you mean adam"),
        ("policy=own", "got policy=own, need shipped or paper"),
        ("rule=best", "got rule=best, need level or mean"),
        ("decades=[]", "got lr0=null and decades=[]"),
        ("task=svhn_wr", "did you mean svhn_wrn"),
    ],
)
def test_bad_input(tmp_path, capsys, override, message):
    candidate(tmp_path / "c", 0)
    arguments = [f"candidates={tmp_path}/c", f"out={tmp_path}/o", f"task={TINY}", override]
    assert cli.main("proxy_eval", SelectConfig, select.select, arguments) == 2
    assert message in capsys.readouterr().err


def test_a_damaged_candidate_is_named(tmp_path, capsys):
    candidate(tmp_path / "c", 0)
    (tmp_path / "c" / "0" / "config.json").write_text("{ cut off")
    arguments = [f"candidates={tmp_path}/c", f"out={tmp_path}/o", f"runs={tmp_path}/r", f"task={TINY}"]
    arguments += ["lr0=[1e-2]", "repeats=1", "epochs=1", "workers=1"]
    assert cli.main("proxy_eval", SelectConfig, select.select, arguments) == 1  # its runs failed
    assert "config.json is damaged" in capsys.readouterr().err
