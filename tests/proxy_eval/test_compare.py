"""The comparison's runs: what decides them, how they are measured, and the stage that makes them."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import arc
from arc.actions import Action
from arc.network import weights
from proxy_eval import asked, comparison_run, controllers, methods, suite
from proxy_eval.compare import CompareConfig, compare, plan_of
from proxy_eval.comparison_run import ComparisonUnit
from proxy_eval.plan import settings_of
from proxy_eval.select import SelectConfig
from tasks import registry
from tasks.base import Source
from tasks.recipe import Recipe
from tasks.work import cli, workers
from tests.conftest import TINY
from training.config import TrainingConfig

EXPERIMENTS = sorted(path.stem for path in (cli.CONFIGS / "experiment").glob("*.yaml"))


def unit(method: str = "constant", **changed: Any) -> ComparisonUnit:
    options = changed.pop("options", {})
    made: dict[str, Any] = {
        "label": method,
        "method": method,
        "options": options,
        "identity": methods.identity(method, options),
        "task": TINY,
        "scale": "mini",
        "source": Source(),
        "fingerprint": "f",
        "settings": settings_of(TINY, "mini"),
        "optimizer": "adam",
        "lr0": 0.03,
        "start_lr": 1e-3,
        "seed": 0,
        "base_seed": 0,
        "horizon": 1.0,
        "epochs": 6,
        "epoch_steps": None,
        "device": "cpu",
        "out": "runs",
    }
    return ComparisonUnit(**made | changed)


# -- one run ---------------------------------------------------------------------------------------


def test_a_constant_run_costs_its_budget_and_says_all_there_is_to_say() -> None:
    row = unit().row()
    assert row["charged"][-1] == row["budget"] == 6 * (3 * 4 + 4)  # 4 batches to train on, 4 to validate
    assert row["forwards"] == row["backwards"] == row["steps"] == 24
    assert {len(row[curve]) for curve in ("lr", "train_loss", "val_loss", "val_metric", "charged")} == {6}
    assert row["last_epoch"] == row["last_within_epoch"] == 6
    assert row["best_epoch"] == 1 + int(np.argmin(row["val_loss"]))
    assert row["last_test_metric"] > row["untrained_test_metric"]
    assert not row["diverged"] and row["failure"] is None and not row["decision"]


def test_arc_looks_at_the_validation_that_everybody_pays_for() -> None:
    assert unit("arc").row()["charged"] == unit().row()["charged"]


def test_a_search_is_charged_and_ends_the_equal_cost_view_early() -> None:
    row = unit("autolrs_scaled", lr0=None, epochs=20).row()
    assert row["steps"] > 80
    assert row["charged"][-1] > row["budget"]
    within = row["last_within_epoch"]
    assert 0 < within < row["last_epoch"] == 20
    assert row["charged"][within - 1] <= row["budget"] < row["charged"][within]


def test_methods_start_from_the_same_model_and_data_order() -> None:
    first = [unit(name).row() for name in ("constant", "arc", "plateau")]
    assert first[0]["train_loss"][:3] == first[1]["train_loss"][:3] == first[2]["train_loss"][:3]
    assert first[0]["train_loss"] != unit(seed=1).row()["train_loss"]
    cosine = unit("cosine", lr0=1.0).row()
    assert cosine["untrained_test_loss"] == first[0]["untrained_test_loss"]


def test_arcs_decisions_are_kept() -> None:
    row = unit("arc").row()
    assert row["decision_epoch"] == [3, 6]
    assert row["lr"][3] == pytest.approx(row["lr"][2] * row["decision_factor"][0])
    searched = unit("arc_auto", lr0=None).row()
    assert searched["decision_epoch"] == [3, 6]
    assert searched["lr"][0] not in (0.03, 1e-3)


def test_copies_for_a_rollback_are_charged() -> None:
    assert unit("arc_rollback").row()["snapshots"] == 6
    assert unit("arc").row()["snapshots"] == 0


def test_a_lost_run_ends_early_and_counts_as_diverged() -> None:
    row = unit(lr0=1e38).row()
    assert len(row["val_loss"]) < 6
    assert math.isnan(row["last_test_loss"]) and row["diverged"]
    assert row["best_epoch"] == 0 and row["best_test_metric"] == row["untrained_test_metric"]


def test_what_a_method_raises_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: Any, steps: int) -> Any:
        raise ValueError("no LR lowers the loss")

    entry = methods.Entry(make=broken, title="broken")
    monkeypatch.setitem(methods.METHODS, "broken", entry)
    row = unit("broken").row()
    assert row["failure"] == "ValueError: no LR lowers the loss"
    assert row["last_test_metric"] == row["untrained_test_metric"]


def test_an_epoch_may_be_any_number_of_steps() -> None:
    row = unit("arc", epoch_steps=3, epochs=4).row()
    assert row["steps"] == 12 and row["epoch_steps"] == 3 and len(row["lr"]) == 4


# -- what decides a run ----------------------------------------------------------------------------


def test_every_field_decides_the_run_but_names_and_places() -> None:
    one = unit()
    other: dict[str, Any] = {"source": Source(kind="local", path="x"), "options": {"period": 2}}
    other |= {"identity": 1, "task": TINY.replace("tiny_task", "other_task")}
    for field in dataclasses.fields(ComparisonUnit):
        value = getattr(one, field.name)
        new = other[field.name] if field.name in other else f"{value}x" if isinstance(value, str) else 9
        changed = dataclasses.replace(one, **{field.name: new})
        same = field.name in ("label", "source", "device", "out", "horizon")
        assert (changed.run_id == one.run_id) == same, field.name


def test_a_run_is_refused_where_its_controller_has_changed(tmp_path: Path) -> None:
    shutil.copytree(weights.paper(), tmp_path / "c")
    begun = unit("arc", options={"controller": str(tmp_path / "c")})
    weights.save(arc.Network(), tmp_path / "c", {}, "another")
    with pytest.raises(ValueError, match="the controller of arc has changed since the start"):
        begun.row()
    assert unit("arc", options={"controller": str(tmp_path / "c")}).run_id != begun.run_id


def test_the_shipped_controller_by_its_path_is_the_same_run() -> None:
    assert unit("arc", options={"controller": str(weights.PRETRAINED)}).run_id == unit("arc").run_id


# -- the stage -------------------------------------------------------------------------------------


def arguments(out: Path, *more: str) -> list[str]:
    base = [f"tasks={TINY}", "optimizer=adam", "epochs=6", "lr0=[3e-2,3e-3,3e-1]", "seeds=1"]
    return [*base, "selection_seeds=[1000]", "workers=1", f"out={out}", *more]


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the units here: worker processes have tests of their own, and take seconds to start."""

    def run_all(units: Sequence[ComparisonUnit], **_: Any) -> workers.Outcome:
        return workers.Outcome(done=sum(pickle.loads(pickle.dumps(unit)).run() for unit in units))

    monkeypatch.setattr(workers, "run_all", run_all)


def stage(out: Path, *more: str) -> int:
    return cli.main("proxy_eval.compare", CompareConfig, compare, arguments(out, *more))


def test_the_rules_of_the_controller_decide_its_runs_and_words_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "arc"
    controllers.code_digest()  # of the real package: it is remembered
    skip = shutil.ignore_patterns("pretrained", "__pycache__")
    shutil.copytree(Path(arc.__file__).parent, package, ignore=skip)
    monkeypatch.setattr(arc, "__file__", str(package / "__init__.py"))
    code = controllers.code_digest.__wrapped__
    assert code() == controllers.code_digest()
    actions = (package / "actions.py").read_text()
    (package / "actions.py").write_text('"""Other words."""\n# and a comment\n' + actions.partition("\n")[2])
    assert code() == controllers.code_digest()
    (package / "actions.py").write_text(actions.replace("1.618", "1.7"))
    assert code() != controllers.code_digest()
    (package / "actions.py").write_text(actions)
    with (package / "policy/default.py").open("a") as rules:  # of a package inside
        rules.write("\nANOTHER_RULE = 1\n")
    assert code() != controllers.code_digest()


def save_answering(action: Action, place: Path) -> None:
    """A controller that always gives the same answer."""
    network = arc.Network()
    network.dense[2].bias.data[:] = 0
    network.dense[2].bias.data[action] = 99
    weights.save(network, place, {}, action.label)


@pytest.mark.usefixtures("in_process")
def test_stage_makes_what_is_missing_and_the_random_control_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    save_answering(Action.LOWER, tmp_path / "c")
    chosen = [f"controller={tmp_path}/c", "methods=[constant,arc,arc_random,prodigy]"]
    assert stage(out, *chosen) == 0
    assert "10 runs asked for, 0 there, 10 to run" in (said := capsys.readouterr().err)
    assert "3 runs asked for, 0 there, 3 to run" in said
    first = asked.read(str(out))
    assert len(first) == 13 and set(first["label"]) == {"oracle", "constant", "arc", "arc_random", "prodigy"}

    rows = pd.concat([pd.read_parquet(p, partitioning=None) for p in out.glob("task=*/*.parquet")])
    moves = rows[rows["label"] == "arc"]["decision"].explode()
    options = json.loads(rows[rows["label"] == "arc_random"]["options"].iloc[0])
    assert options["frequencies"][2] == pytest.approx((moves == "lower").mean(), abs=0.02)

    # another controller: its own runs again, and the control's where the frequencies differ
    save_answering(Action.RAISE, tmp_path / "c")
    assert stage(out, *chosen) == 0
    said = capsys.readouterr().err
    assert "10 runs asked for, 7 there, 3 to run" in said and "3 runs asked for, 0 there, 3 to run" in said
    second = asked.read(str(out)).set_index(["label", "lr0"])["run_id"]
    changed = second != first.set_index(["label", "lr0"])["run_id"]
    assert set(changed[changed].index.get_level_values("label")) == {"arc", "arc_random"}
    assert len(asked.commands_of(str(out))) == 1

    assert stage(out, *chosen, "estimate=true") == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "all"  # nothing is missing


@pytest.mark.usefixtures("in_process")
def test_shards_share_the_runs_and_the_last_one_makes_the_control(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_answering(Action.LOWER, tmp_path / "c")
    chosen = [f"controller={tmp_path}/c", "methods=[arc,arc_random]", "epochs=3", "lr0=[3e-2]"]
    assert stage(tmp_path / "runs", *chosen, "shard=1/2") == 0
    said = capsys.readouterr().err
    assert "1 runs asked for, 0 there, 1 to run" in said
    assert "1 runs are left to other shards, and the random control needs all" in said
    assert stage(tmp_path / "runs", *chosen, "shard=2/2") == 0
    assert "left to other shards" not in capsys.readouterr().err
    assert stage(tmp_path / "runs", *chosen) == 0
    assert capsys.readouterr().err.count("0 to run") == 1  # the control's one run is the first shard's


@pytest.mark.usefixtures("in_process")
def test_an_estimate_runs_one_of_each_task_and_counts_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stage(tmp_path / "runs", "methods=[constant,prodigy]", "estimate=true") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1].split()[:2] == ["tiny_task", "6"] and said[2].split()[:2] == ["all", "6"]
    assert said[3] == "not measured yet, taken as typical: constant, prodigy"
    parts = list((tmp_path / "runs").glob("task=*/*.parquet"))
    assert len(parts) == 1
    row = pd.read_parquet(parts[0], partitioning=None).iloc[0]
    hours = 6 * row["unit_seconds"] / 3600
    assert float(said[2].split()[2]) == pytest.approx(hours, abs=0.005)


def test_the_order_leaves_a_usable_part_whenever_it_is_cut() -> None:
    everything = ["methods=all", f"weights={weights.PRETRAINED}"]
    made = cli.parse("proxy_eval.compare", CompareConfig, arguments(Path("x"), "seeds=2", *everything))
    units = list(plan_of(made).units())
    assert [u.seed for u in units] == sorted((u.seed for u in units), key=lambda s: (s < 1000, s))
    own = [u for u in units if u.seed == 0]
    assert [u.lr0 for u in own if u.method == "cosine"] == [3e-2, 3e-3, 3e-1]
    assert {u.label for u in own} == set(methods.METHODS)
    without = [u for u in own if u.lr0 is None]
    assert {u.method for u in without} == {n for n, e in methods.METHODS.items() if not e.needs_lr0}
    assert len(without) == len({u.method for u in without})
    assert len({u.run_id for u in units}) == len(units)


def test_the_oracle_may_be_another_method() -> None:
    chosen = "oracle={name: warmup_cosine, warmup: 0.05}"
    made = cli.parse("proxy_eval.compare", CompareConfig, arguments(Path("x"), "methods=[]", chosen))
    units = list(plan_of(made).units())
    assert {(u.label, u.method, u.options["warmup"], u.seed) for u in units} == {
        ("oracle", "warmup_cosine", 0.05, 1000)
    }
    assert [u.lr0 for u in units] == [3e-2, 3e-3, 3e-1]


def test_a_task_is_trained_by_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = unit().row()
    recipe = Recipe(epoch_steps=6, weight_decay=0.5, clip=0.1)
    task = dataclasses.replace(registry.get(TINY), recipe=recipe)
    load = comparison_run.load
    monkeypatch.setattr(comparison_run, "load", lambda *key: (task, load(*key)[1]))
    row = unit().row()
    assert (row["epoch_steps"], row["steps"]) == (6, 36)
    assert row["train_loss"][0] != plain["train_loss"][0]
    assert unit(epoch_steps=3).row()["epoch_steps"] == 3


def test_candidates_are_compared_under_names_of_their_own() -> None:
    chosen = "methods=[arc,{name: arc, controller: runs/candidates/3},{name: arc, period: 1, label: often}]"
    made = cli.parse("proxy_eval.compare", CompareConfig, arguments(Path("x"), chosen))
    with pytest.raises(ValueError, match=r"no file runs/candidates/3/model.safetensors"):
        list(plan_of(made).units())
    labels = [m.label for m in plan_of(made).methods]
    assert labels == ["arc", "arc:3", "often"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("methods=[cosin]", "did you mean cosine"),
        ("methods=[cosine,cosine]", "two methods are called 'cosine'"),
        ("methods=[arc_random]", "ask for arc as well"),
        ("methods=[[1]]", "got method"),
        ("lr0=[]", "lr0=[]"),
        ("lr0=[-1]", "lr0=[-1]"),
        ("lr0=grid", "in no suite"),
        ("seeds=0", "seeds=0"),
        ("seeds=[1000]", "must be chosen on other seeds"),
        ("horizon=0", "horizon=0"),
        ("optimizer=adm", "did you mean adam"),
        ("oracle=prodigy", "need a method whose LR0 is to be chosen"),
        ("oracle=cosin", "did you mean cosine"),
        ("epochs=null", "say optimizer= and epochs="),
        ("frequencies=[1,1,1]", "three parts that sum to 1"),
        ("controller=nowhere", "no file nowhere/model.safetensors"),
    ],
)
def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str], override: str, message: str) -> None:
    assert stage(tmp_path, "methods=[constant,arc]", override) == 2
    assert message in capsys.readouterr().err


# -- suites and experiments ------------------------------------------------------------------------


def test_a_file_that_is_no_suite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad_suite.yaml").write_text("tasks: {svhn_ecc: {optimizer: adam}}")
    monkeypatch.setattr(suite, "CONFIGS", tmp_path)
    with pytest.raises(ValueError, match=r"bad_suite.yaml is no suite \(KeyError"):
        suite.read("bad_suite")


def test_another_optimizer_has_no_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "{horizon: 5, tasks: {svhn_ecc: {optimizer: adam, best_lr: 1e-2}}}"
    (tmp_path / "a_suite.yaml").write_text(text)
    monkeypatch.setattr(suite, "CONFIGS", tmp_path)
    assert suite.entries("a_suite", optimizer=None, epochs=None)[0].best_lr == 1e-2
    assert suite.entries("a_suite", optimizer="sgd", epochs=7)[0] == suite.Entry(
        name="svhn_ecc", optimizer="sgd", best_lr=None, epochs=7
    )


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_is_read(name: str) -> None:
    if name.endswith("proxy"):
        assert cli.parse("proxy_eval", SelectConfig, [f"experiment={name}"]).epochs == 30
        return
    if name.endswith("training"):
        assert cli.parse("training", TrainingConfig, [f"experiment={name}"]).epochs == 300
        return
    made = cli.parse("proxy_eval.compare", CompareConfig, [f"experiment={name}"])
    if made.data == "embedded":
        plan = plan_of(dataclasses.replace(made, methods=[m for m in made.methods if m != "arc_published"]))
        assert {u.lr0 for u in plan.units()} >= set(made.lr0)
