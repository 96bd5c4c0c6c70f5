"""What every method of the registry must keep, whoever wrote it."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from arc.methods.method import Method
from arc.methods.step_sampling import StepSampling
from arc.network import weights
from proxy_eval.methods import METHODS, MethodError, get, make
from tasks import registry
from tasks.base import Source, Splits
from tasks.loop import TaskRun
from tests.arc.methods.problems import parameters_of

TASKS = {"svhn_ecc": {"width": 4}, "imdb_lstm": {"length": 8}, "ptb_lstm": {"length": 9}}  # cut for speed
OPTIMIZERS = ("momentum", "adam")
EPOCHS = 8
ROWS = 48
OPTIONS: dict[str, dict[str, Any]] = {"weights": {"weights": str(weights.PRETRAINED)}}

every_method = pytest.mark.parametrize("name", METHODS)


@functools.cache
def few(task: str) -> Splits:
    """The first 64 rows of each split."""
    data = registry.get(task).load(Source())
    return Splits(*({k: v[:ROWS].clone() for k, v in split.items()} for split in data))


def new_run(task: str, optimizer: str) -> TaskRun:
    """Six steps an epoch, at an LR in the middle of the task's range."""
    small = replace(registry.get(task), batch_size=8, **TASKS[task])
    low, high = small.lr_range[optimizer]
    return TaskRun(small, few(task), optimizer=optimizer, lr=math.sqrt(low * high), seed=1)


def steps_of(run: TaskRun) -> int:
    return EPOCHS * run.steps_per_epoch


def new_method(name: str, run: TaskRun) -> Method:
    options = {k: v for o in METHODS[name].options for k, v in OPTIONS[o].items()}
    method = make(name, run, steps_of(run), **options)
    if isinstance(method, StepSampling):
        method.steps, method.lr_range, method.threshold = 8, (1e-4, 3.0), 0.5  # a shorter search
    return method


@dataclass(frozen=True)
class Driven:
    """What a method made of a run."""

    run: TaskRun
    losses: list[list[float]]
    lrs: list[list[float]]
    untrained: float


@functools.cache
def driven(name: str, task: str, optimizer: str) -> Driven:
    run = new_run(task, optimizer)
    untrained = run.evaluate("train", metric=False).loss
    losses, lrs = [], []
    for yielded in new_method(name, run).drive(run, steps_of(run)):
        losses.append(yielded)
        lrs.append([float(group["lr"]) for group in run.optimizer.param_groups])
    return Driven(run, losses, lrs, untrained)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("task", TASKS)
@every_method
def test_trains_at_a_sound_lr_and_accounts_for_its_cost(name: str, task: str, optimizer: str) -> None:
    found = driven(name, task, optimizer)
    run, cost, steps = found.run, found.run.cost, steps_of(found.run)
    assert all(0 < lr < math.inf for lrs in found.lrs for lr in lrs)
    assert run.step_count == steps
    assert cost.steps >= sum(map(len, found.losses)) >= steps
    assert cost.backwards == cost.steps
    assert cost.forwards >= cost.steps
    assert cost.seconds > 0
    assert (cost.snapshots > 0) <= (cost.snapshot_bytes > 0)
    assert cost.snapshots > 0 or cost.steps == steps  # what is undone needs a checkpoint
    assert run.evaluate("train", metric=False).loss < found.untrained


@every_method
def test_is_deterministic_and_resumes_to_the_same_run(name: str, tmp_path: Path) -> None:
    place = list(METHODS).index(name)
    task, optimizer = list(TASKS)[place % 3], OPTIMIZERS[place % 2]
    first = driven(name, task, optimizer)

    run = new_run(task, optimizer)
    method = new_method(name, run)
    drive = method.drive(run, steps_of(run))
    begun = [next(drive), next(drive)]
    torch.save([method.state_dict(), run.snapshot()], tmp_path / "saved.pt")
    rest = list(drive)
    assert begun + rest == first.losses
    assert torch.equal(parameters_of(run), parameters_of(first.run))

    other = new_run(task, optimizer)
    resumed = new_method(name, other)
    state, snapshot = torch.load(tmp_path / "saved.pt", weights_only=True)
    resumed.load_state_dict(state)
    other.restore(snapshot)
    assert list(resumed.drive(other, steps_of(other))) == rest
    assert torch.equal(parameters_of(other), parameters_of(first.run))
    assert [float(group["lr"]) for group in other.optimizer.param_groups] == first.lrs[-1]


@every_method
def test_has_a_title_of_its_own_and_a_name_in_plain_letters(name: str) -> None:
    assert name.replace("_", "").isalnum() and name == name.lower()
    assert sum(entry.title == METHODS[name].title for entry in METHODS.values()) == 1


def test_unknown_names_list_near_misses() -> None:
    with pytest.raises(MethodError, match="no method 'cosin'; did you mean cosine"):
        get("cosin")
    with pytest.raises(MethodError, match="no method 'xyz'; known: arc, "):
        get("xyz")


def test_a_missing_option_is_named() -> None:
    with pytest.raises(MethodError, match="method arc_published needs weights="):
        make("arc_published", new_run("imdb_lstm", "adam"), 8)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "prodigyopt", None)
    with pytest.raises(ImportError, match="method prodigy needs prodigyopt: pip install prodigyopt"):
        make("prodigy", new_run("imdb_lstm", "adam"), 8)
