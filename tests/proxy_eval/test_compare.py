"""The stage of the comparison: what it makes, in which order, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import arc
from arc.actions import Action
from arc.network import weights
from proxy_eval import asked, controllers, methods, suite
from proxy_eval.compare import CompareConfig, compare, plan_of
from proxy_eval.comparison_run import ComparisonUnit
from proxy_eval.select import SelectConfig
from tasks.work import cli, workers
from tests.conftest import TINY
from training.config import TrainingConfig

EXPERIMENTS = sorted(path.stem for path in (cli.CONFIGS / "experiment").glob("*.yaml"))


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
