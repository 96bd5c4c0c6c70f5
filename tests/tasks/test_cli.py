"""Every stage's configuration: it composes, it matches its dataclass, and --help explains each key."""

import dataclasses
import importlib
import os
import re
import signal
import sys
import time

import pytest
from omegaconf import OmegaConf

from data_gen.generate import GenerateConfig
from tasks.errors import InputError
from tasks.work import cli, tensorboard

FILES = sorted(path.stem for path in cli.CONFIGS.glob("*.yaml"))
STAGES = [name for name in FILES if "suite" not in name]  # a suite is no stage: see proxy_eval.suite


def keys_of(stage: str) -> list[str]:
    """The keys that a user may set; ``defaults`` is hydra's own, and brings in an experiment."""
    return [key for key in OmegaConf.load(cli.CONFIGS / f"{stage}.yaml") if key != "defaults"]


def schema_of(stage: str) -> type:
    """The dataclass that the stage's command reads, found as its ``__main__`` names it."""
    for name in (f"{stage}.__main__", stage):
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        found = [c for n, c in vars(module).items() if n.endswith("Config") and dataclasses.is_dataclass(c)]
        if found:  # a module that holds its own may import another stage's
            return max(found, key=lambda c: c.__module__ == module.__name__)
    raise AssertionError(f"no dataclass for configs/{stage}.yaml")


@pytest.mark.parametrize("stage", STAGES)
def test_defaults_compose_and_fill_the_dataclass(stage):
    schema = schema_of(stage)
    made = cli.parse(stage, schema, [])
    assert sorted(keys_of(stage)) == sorted(field.name for field in dataclasses.fields(made))


@pytest.mark.parametrize("stage", STAGES)
def test_help_explains_every_key(stage, capsys):
    assert cli.main(stage, schema_of(stage), lambda _: 0, ["--help"]) == 0
    shown = capsys.readouterr().out
    for key in keys_of(stage):
        assert re.search(rf"^{key}: .*#\s*\S+", shown, re.MULTILINE), f"{stage}: {key} is not explained"


def test_stages_that_run_tasks_share_their_keys():
    shared = {"task", "scale", "data", "data_dir", "seed", "device", "workers"}
    for stage in ("data_gen", "proxy_eval"):
        assert shared <= set(OmegaConf.load(cli.CONFIGS / f"{stage}.yaml"))


def test_an_interrupt_has_its_own_exit_code(capsys):
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    assert cli.main("training", schema_of("training"), interrupted, ["lr=1e-3", "samples=a b"]) == 130
    assert "goes on from here: python -m training lr=1e-3 'samples=a b'" in capsys.readouterr().err


def test_an_experiment_of_ones_own_lies_anywhere(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nruns: 7\n")
    seen = []
    for option in ([f"--config-dir={tmp_path}"], ["--config-dir", str(tmp_path)], ["-cd", str(tmp_path)]):
        arguments = ["experiment=mine", *option, "seed=3"]
        assert cli.main("data_gen", GenerateConfig, seen.append, arguments, logged=False) == 0
    assert {(config.runs, config.seed) for config in seen} == {(7, 3)}


def test_several_values_are_run_one_after_the_other(capsys):
    seen = []
    arguments = ["--multirun", "seed=1,2", "optimizers=[adam,sgd],[sgd]", "runs=3", "out=runs/${seed}"]
    assert cli.main("data_gen", GenerateConfig, seen.append, arguments, logged=False) == 0
    found = [(config.seed, len(config.optimizers), config.runs, config.out) for config in seen]
    assert found == [(1, 2, 3, "runs/1"), (1, 1, 3, "runs/1"), (2, 2, 3, "runs/2"), (2, 1, 3, "runs/2")]
    assert cli.main("data_gen", GenerateConfig, seen.append, arguments[1:], logged=False) == 2
    assert "multirun" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hydra.run.dir=somewhere"], "writes where out= says"),
        (["+hydra/launcher=joblib"], "writes where out= says"),
        (["--config-dir", "/nowhere"], "need a directory with experiment/<name>.yaml"),
        (["--config-dir"], "need a directory"),
        (["--config-name=mine"], "need key=value, --config-dir or --multirun"),
        (["experiment=none_such"], "none_such"),
        (["-m", "seed=1,2", "runz=3"], "did you mean runs"),
    ],
)
def test_what_hydra_has_and_a_stage_has_not_is_refused_in_one_line(arguments, message, capsys):
    assert cli.main("data_gen", GenerateConfig, lambda _: pytest.fail("it ran"), arguments, logged=False) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


@pytest.mark.parametrize("stage", ["training", "proxy_eval"])
def test_a_store_where_a_directory_is_needed_is_refused(stage, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    schema = schema_of(stage)

    def run(config):
        tensorboard.check(config.tensorboard)

    arguments = ["tensorboard=s3://bucket/there"]
    assert cli.main(stage, schema, run, arguments, logged=False) == 2
    assert "got tensorboard=s3://bucket/there, need a local directory here; copy" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_termination_is_an_interrupt(capsys):
    def terminated(_: object) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
        return 0

    before = signal.getsignal(signal.SIGTERM)
    assert cli.main("training", schema_of("training"), terminated, [], logged=False) == 130
    assert "goes on from here: python -m training" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_a_stage_says_is_kept_beside_what_it_writes(tmp_path, capsys):
    arguments = [f"out={tmp_path}/trials", "runs=3"]

    def run(config):
        print("a table")
        print("\rdata:  50%|#  |\rdata: 100%|###|", file=sys.stderr)
        print("\rdata:  50%|#  |\r   \rafter a bar that was wiped", file=sys.stderr)
        raise InputError("got x, need y")

    assert cli.main("data_gen", GenerateConfig, run, arguments) == 2
    kept = (tmp_path / "trials.log").read_text()
    assert "$ python -m data_gen" in kept and "a table\nafter a bar that was wiped\ndata_gen: got x" in kept
    assert "%" not in kept and "100%" in capsys.readouterr().err
    assert cli.main("data_gen", GenerateConfig, lambda config: 0, arguments, logged=False) == 0
    assert (tmp_path / "trials.log").read_text() == kept
