"""A task added as one file is found, generated, labelled, trained on and tried, with no other edit."""

import shutil
import subprocess
import sys

import pandas as pd
import pytest

import arc
from data_gen import generate, label
from data_gen.generate import GenerateConfig
from data_gen.label import LabelConfig
from data_gen.unit import load
from proxy_eval import methods, select
from proxy_eval.select import SelectConfig
from tasks.base import Source
from tasks.loop import TaskRun
from tasks.work import cli
from tests.arc.helpers import optimizer
from tests.conftest import TINY
from training import candidates
from training.config import TrainingConfig


def test_methods_are_compared_on_a_task_file():
    task, data = load(TINY, "mini", Source(), "cpu")
    final = {}
    for name in ("constant", "cosine", "arc"):
        run = TaskRun(task, data, optimizer="adam", lr=1e-2, seed=0)
        steps = 9 * run.steps_per_epoch
        for _ in methods.make(name, run, steps).drive(run, steps):
            pass
        assert run.cost.steps == steps
        final[name] = run.evaluate("test")
    assert len({f"{evaluation.loss:.9f}" for evaluation in final.values()}) == 3
    assert all(evaluation.metric > 0.5 for evaluation in final.values())


def test_from_a_task_file_to_a_controller(tmp_path, capsys):
    task = tmp_path / "largest_number.py"
    shutil.copy(TINY, task)
    trials, samples = f"{tmp_path}/trials", f"{tmp_path}/samples"
    found, controller = f"{tmp_path}/candidates", f"{tmp_path}/controller"

    stages = [
        (
            "data_gen",
            GenerateConfig,
            generate.generate,
            [f"task={task}", "runs=4", "cycles=4", "max_period=2", "optimizers=[adam,sgd]", f"out={trials}"],
        ),
        ("data_gen.label", LabelConfig, label.label, [f"trials={trials}", f"out={samples}"]),
        (
            "training",
            TrainingConfig,
            candidates.train,
            [f"samples={samples}", f"out={found}", "candidates=1", "epochs=2"],
        ),
        (
            "proxy_eval",
            SelectConfig,
            select.select,
            [
                f"candidates={found}",
                f"out={controller}",
                f"runs={tmp_path}/proxy",
                f"task={task}",
                "lr0=[1e-2]",
                "repeats=1",
                "epochs=4",
                "period=1",
            ],
        ),
    ]
    for stage, schema, run, overrides in stages:
        shared = ["workers=1"] if stage != "data_gen.label" else []
        assert cli.main(stage, schema, run, [*overrides, *shared]) == 0, stage

    assert "largest_number" in capsys.readouterr().out
    labelled = pd.concat(
        pd.read_parquet(p, partitioning=None) for p in (tmp_path / "samples").rglob("*.parquet")
    )
    assert set(labelled["task"]) == {"largest_number"}
    assert len(labelled) == 16
    steered = arc.Controller.from_pretrained(controller, optimizer(0.1), period=1)
    for _ in range(3):
        steered.record(1.0)
        assert steered.step(val_loss=1.0).action in arc.Action


@pytest.mark.parametrize(
    "stage, package",
    [
        *((stage, "tqdm") for stage in ("data_gen", "training", "proxy_eval", "tasks.report")),
        ("data_gen", "hydra"),
    ],
)
def test_a_stage_names_the_extra_that_is_missing(stage, package):
    code = f"import sys, runpy; sys.modules[{package!r}] = None"
    code += f"\nrunpy.run_module({stage!r}, run_name='__main__')"
    absent = f"lambda name: None if name == {package!r} else found(name)"
    blocked = f"import importlib.util as util; found = util.find_spec; util.find_spec = {absent}"
    ran = subprocess.run([sys.executable, "-c", f"{blocked}\n{code}"], capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].endswith(f"the stages need {package}: pip install -e '.[pipeline]'")
