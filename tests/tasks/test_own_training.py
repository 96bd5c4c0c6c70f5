"""A task's own ways (stream, meter, step, precision, warm-up) in the one loop with all others."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from data_gen import trial
from data_gen.trial_settings import Trial
from data_gen.unit import load
from tasks import registry
from tasks.base import Batch, Meter, Source, Splits, Stateful, Stream, TaskError
from tasks.loop import TaskRun
from tasks.metrics.mean import Mean
from tasks.recipe import Recipe
from tasks.seeding import derive
from tests.conftest import TINY

TINY_TASK: Any = registry.task_class(TINY)
assert_same: Any = functools.partial(torch.testing.assert_close, rtol=0, atol=0)


class Drawn(Stream):
    """Random numbers, each batch from its own seed."""

    pass_steps, batch_size = 4, 16

    def train_batches(self, seed: int, position: int) -> Iterator[Batch]:
        return (self.batch(seed, number) for number in count(position))

    def batches(self, split: str) -> Iterator[Batch]:
        return (self.batch(split, number, rows=rows) for number, rows in enumerate((16, 16, 5)))

    def fingerprint(self) -> str:
        return "drawn"

    def batch(self, *key: object, rows: int = 16) -> Batch:
        x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(derive(*key)))
        return {"x": x, "y": x[:, :3].argmax(1)}


@dataclass(frozen=True, kw_only=True)
class Streamed(TINY_TASK):  # type: ignore[misc]
    """The tiny task, on a stream."""

    together = False

    def load(self, source: Source) -> Stream:
        return Drawn()

    def meter(self) -> Meter:
        return Mean(lambda logits, batch: logits.argmax(1) == batch["y"])


def run_of(cls: Any = Streamed, *, lr: float = 1e-2, seed: int = 0, **settings: Any) -> TaskRun:
    task = cls.at("mini")
    given = {"optimizer": "adam"} | settings
    return TaskRun(task, task.loaded(Source()), lr=lr, seed=seed, **given)


# -- a stream ---------------------------------------------------------------------------------------


def test_a_run_on_a_stream_learns_and_its_seed_decides_it() -> None:
    a, b, other = (run_of(seed=seed) for seed in (1, 1, 2))
    losses = [run.train(40) for run in (a, b, other)]
    assert losses[0] == losses[1] != losses[2]
    assert sum(losses[0][-5:]) < 0.7 * sum(losses[0][:5])
    assert (a.batch_size, a.steps_per_epoch, a.validation_passes) == (16, 4, 3)
    assert a.evaluate() == b.evaluate() and a.evaluate().metric > 0.5


def test_a_run_on_a_stream_goes_on_from_a_snapshot() -> None:
    run, fresh = run_of(seed=1), run_of(seed=2)
    run.train(6)
    kept = run.snapshot()
    expected = run.train(7), run.evaluate()
    for resumed in (run, fresh):
        resumed.restore(kept)
        assert (resumed.train(7), resumed.evaluate()) == expected
    sampled = run.sample(3, seed=5)
    run.train(2)
    assert_same(run.sample(3, seed=5), sampled)


def test_a_stream_is_evaluated_as_the_same_tensors_are() -> None:
    stream = Drawn()
    whole = {k: torch.cat([b[k] for b in stream.batches("val")]) for k in ("x", "y")}
    tensors = TaskRun(TINY_TASK.at("mini"), Splits(whole, whole, whole), optimizer="adam", lr=1e-2, seed=3)
    streamed = run_of(seed=3)
    expected, found = tensors.evaluate(), streamed.evaluate()
    assert found.loss == pytest.approx(expected.loss, rel=1e-6)
    assert found.metric == pytest.approx(expected.metric, rel=1e-6)


def test_a_meter_sees_batches_never_the_whole_split() -> None:
    seen = []

    class Metered(TINY_TASK):  # type: ignore[misc]
        def meter(self) -> Meter:
            return Mean(lambda logits, batch: seen.append(len(logits)) or (logits.argmax(1) == batch["y"]))

    task = Metered.at("mini", '{"examples": 200}')
    data = task.loaded(Source())
    metered, plain = (
        TaskRun(t, data, optimizer="adam", lr=1e-2, seed=0) for t in (task, TINY_TASK.at("mini"))
    )
    assert metered.evaluate().metric == pytest.approx(plain.evaluate().metric, rel=1e-6)
    assert seen == [64, 64, 64, 8]


def test_a_function_of_the_mean() -> None:
    perplexity = Mean(lambda losses, batch: losses, math.exp)
    for losses in (torch.tensor([1.0, 2.0]), torch.tensor([[6.0]])):
        perplexity.update(losses, {})
    assert perplexity.compute() == pytest.approx(math.exp(3))


def test_a_trial_on_a_stream_is_a_trial() -> None:
    name = str(Path(__file__).parents[2] / "examples/tasks/gpt_stream.py")
    settings = '{"width": 8, "length": 6, "batch_size": 4}'
    asked = Trial(
        task=name, scale="mini", source=Source(), index=0, seed=0, optimizers=("adamw",), lr_range=None,
        period=1, max_period=1, cycles=2, settings=settings, epoch_steps=3,
    )  # fmt: skip
    task, data = load(name, "mini", Source(), "cpu", settings)
    found, again = (
        [{k: v for k, v in row.items() if k != "seconds"} for row in trial.rows(asked, task, data, "f")]
        for _ in range(2)
    )
    assert repr(found) == repr(again) and len(found) == 2
    assert (found[0]["epoch_steps"], found[0]["pass_steps"], found[0]["batch_size"]) == (3, 16, 4)


# -- a step -----------------------------------------------------------------------------------------


class Average:
    """An average of the weights."""

    def __init__(self, model: nn.Module) -> None:
        self.weights = [p.detach().clone() for p in model.parameters()]

    def update(self, model: nn.Module) -> None:
        for mine, new in zip(self.weights, model.parameters(), strict=True):
            mine.lerp_(new.detach(), 0.1)

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weights = state["weights"]


@dataclass(frozen=True, kw_only=True)
class Own(TINY_TASK):  # type: ignore[misc]
    """Two halves of a batch, a scaled loss, clipped gradients, an average."""

    together = False
    parts: ClassVar[int] = 2

    def build(self) -> nn.Module:
        return nn.Linear(4, 3)

    def states(self, run: TaskRun) -> dict[str, Stateful]:
        return {"scaler": torch.amp.GradScaler("cpu", init_scale=8.0), "average": Average(run.model)}

    def step(self, run: TaskRun, batch: Batch) -> Tensor:
        scaler: Any = run.states["scaler"]
        average: Any = run.states["average"]
        run.zero_grad()
        losses = []
        for rows in torch.arange(len(batch["y"])).chunk(self.parts):
            loss, _ = run.forward({k: v[rows] for k, v in batch.items()})
            scaler.scale(loss / self.parts).backward()
            losses.append(loss.detach())
        scaler.unscale_(run.optimizer)
        run.update(lambda: scaler.step(run.optimizer))
        scaler.update()
        average.update(run.model)
        return torch.stack(losses).mean()


class PlainTwin(Own):
    """The same without the step."""

    def states(self, run: TaskRun) -> dict[str, Stateful]:
        return {}

    def step(self, run: TaskRun, batch: Batch) -> Tensor:
        return run.step(batch)


def test_a_step_of_its_own_is_taken_by_the_one_loop() -> None:
    recipe = Recipe(clip=0.1, warmup=3)
    own, plain = (run_of(cls, optimizer="sgd", lr=0.5, recipe=recipe) for cls in (Own, PlainTwin))
    assert own.train(9) == pytest.approx(plain.train(9), rel=1e-5)
    assert own.step_count == 9 and own.lr == 0.5


def test_what_a_step_carries_along_is_saved_with_the_run() -> None:
    run, fresh = run_of(Own), run_of(Own, seed=1)
    run.train(3)
    kept = run.snapshot()
    expected = run.train(3), run.snapshot()["states"]
    fresh.restore(kept)
    assert fresh.train(3) == expected[0]
    assert_same(fresh.snapshot()["states"], expected[1])
    run.restore(kept)
    run.train(3)
    assert_same(run.snapshot()["states"], expected[1])


def test_a_step_that_forgets_the_update_is_told() -> None:
    class Forgetful(Own):
        def step(self, run: TaskRun, batch: Batch) -> Tensor:
            run.optimizer.step()
            return torch.zeros(())

    with pytest.raises(TaskError, match=r"2 calls of step\(\) made 0 of run.update\(\)"):
        run_of(Forgetful).train(2)


# -- precision and warm-up --------------------------------------------------------------------------


class Warm(Own):
    """Half an epoch of warm-up, in bfloat16 on the CPU."""

    def precision(self, device: torch.device) -> Any:
        return "autocast" if device.type == "cpu" else "float32"

    def warmup(self, epoch_steps: int) -> int:
        return epoch_steps // 2


def test_the_tasks_precision_and_warm_up_count_where_nobody_asks_for_others() -> None:
    assert (run_of(Warm).recipe.precision, run_of(Warm).recipe.warmup) == ("autocast", 2)
    asked = run_of(Warm, recipe=Recipe(precision="bfloat16", warmup=7, epoch_steps=50)).recipe
    assert (asked.precision, asked.warmup) == ("bfloat16", 7)
    assert run_of(Warm, recipe=Recipe(epoch_steps=50)).recipe.warmup == 25
    recommended = replace(Own.at("mini"), recipe=Recipe(precision="autocast", warmup=3))
    found = TaskRun(recommended, recommended.loaded(Source()), optimizer="sgd", lr=0.1, seed=0).recipe
    assert (found.precision, found.warmup) == ("autocast", 3)
    assert run_of(TINY_TASK).recipe == Recipe()


def test_several_optimizers_of_a_task_are_joined_and_what_is_none_is_named() -> None:
    class Two(TINY_TASK):  # type: ignore[misc]
        def optimizer(self, model: nn.Module, lr: float) -> Any:
            first, *_, last = model
            return [torch.optim.Adam(first.parameters(), lr), torch.optim.SGD(last.parameters(), 10 * lr)]

    run = run_of(Two, optimizer="own", lr=1e-2)
    assert [group["lr"] for group in run.optimizer.param_groups] == [1e-2, 0.1]
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    run.train(2)
    kept = run.snapshot()
    expected = run.train(3)
    run.restore(kept)
    assert run.train(3) == expected
    assert all((value != before[name]).any() for name, value in run.model.state_dict().items())

    class Nothing(TINY_TASK):  # type: ignore[misc]
        def optimizer(self, model: nn.Module, lr: float) -> Any:
            return None

    with pytest.raises(TaskError, match=r"Nothing.optimizer returned a NoneType, need an optimizer"):
        run_of(Nothing, optimizer="own")
