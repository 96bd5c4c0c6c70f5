"""What every task of the registry must keep, whoever wrote it."""

import functools
import hashlib
import inspect
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tasks import optimizers, registry
from tasks.base import Batch, Source, Splits, Task
from tasks.loop import Evaluation, TaskRun

NAMES = registry.names()
CALLABLES = {"load", "build", "forward", "metric", "augment"}
HOOKS = {"meter", "optimizer", "step", "states", "precision", "warmup"}
every_task = pytest.mark.parametrize("name", NAMES)
every_scale = pytest.mark.parametrize(
    ("name", "scale"), [(name, scale) for name in NAMES for scale in registry.task_class(name).scales]
)


@functools.cache
def loaded(name: str) -> Splits:
    return registry.get(name).load(Source())


def first(batch: Batch, rows: int) -> Batch:
    return {k: v[:rows] for k, v in batch.items()}


def lr_at(name: str, optimizer: str, share: float) -> float:
    """The LR at ``share`` of the way up the task's range, on a logarithmic scale."""
    low, high = registry.get(name).lr_range[optimizer]
    return low * (high / low) ** share


def small_run(name: str, seed: int = 0, optimizer: str = "adam") -> TaskRun:
    """A run on three batches, so that a few steps cross the end of an order of the data."""
    task, data = registry.get(name), loaded(name)
    rows = 3 * task.batch_size
    few = Splits(*(first(split, rows) for split in data))
    return TaskRun(task, few, optimizer=optimizer, lr=lr_at(name, optimizer, 0.4), seed=seed)


def assert_same(a: object, b: object) -> None:
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b


@functools.cache
def short_trainings(name: str) -> list[tuple[list[float], Evaluation, Evaluation]]:
    """Training losses, and the evaluations before and after, at rising LRs until one has helped."""
    task, data = registry.get(name), loaded(name)
    few = data._replace(val=first(data.val, 128))
    found = []
    for share in (0.6, 0.5, 0.7):
        run = TaskRun(task, few, optimizer="adam", lr=lr_at(name, "adam", share), seed=1)
        untrained = run.evaluate()
        found.append((run.train(3 * run.steps_per_epoch), untrained, run.evaluate()))
        if better(task, found[-1]):
            break
    return found


def better(task: Task, training: tuple[list[float], Evaluation, Evaluation]) -> bool:
    """Has the metric gone in its direction?"""
    _, before, after = training
    return after.metric > before.metric if task.higher_is_better else after.metric < before.metric


# -- the definition --------------------------------------------------------------------------------


@every_task
def test_is_one_short_file_with_at_most_five_callables_and_hooks(name):
    cls = registry.task_class(name)
    more = 16 * (len(cls.scales) - 2) + 5 * len(HOOKS & vars(cls).keys())  # a third scale, a hook
    assert len(Path(inspect.getfile(cls)).read_text().splitlines()) <= 120 + more
    assert {k for k, v in vars(cls).items() if callable(v) and not k.startswith("_")} <= CALLABLES | HOOKS


@every_task
def test_has_a_mini_scale_and_a_larger_one(name):
    scales = set(registry.task_class(name).scales)
    assert "mini" in scales and scales & {"medium", "paper"}, (
        f"{name}.scales has {scales}: add medium or paper"
    )


@every_scale
def test_builds_at_every_scale(name, scale):
    task = registry.get(name, scale)
    with torch.device("meta"):
        model = task.build()
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) > 0


@every_scale
def test_has_an_lr_range_for_each_optimizer(name, scale):
    ranges = registry.get(name, scale).lr_range
    assert set(ranges) == set(optimizers.OPTIMIZERS), "tasks.optimizers.lr_ranges writes them in one line"
    assert all(0 < low < high for low, high in ranges.values())


@pytest.mark.parametrize("name", [n for n in NAMES if "medium" in registry.task_class(n).scales])
def test_a_medium_training_is_of_the_size_that_it_is_meant_to_be(name):
    task = registry.get(name, "medium")
    with torch.device("meta"):
        model = task.build()
    assert 0.25e6 < sum(p.numel() for p in model.parameters()) < 3e6
    assert task.recipe.epoch_steps >= 100 and task.recipe.warmup == 0
    assert task.recipe.weight_decay is not None


# -- the data ---------------------------------------------------------------------------------------


def inputs(batch: Batch) -> torch.Tensor:
    """What an example shows: its largest tensor, and of two such the more varied one."""
    return max(batch.values(), key=lambda t: (t[0].numel() * t.element_size(), len(t.unique())))


def digests(rows: torch.Tensor, width: int) -> set[bytes]:
    """Every example, hashed; of longer rows of tokens every window of ``width``."""
    if rows.dim() == 2:
        rows = rows.unfold(1, width, 1).flatten(0, 1)
    return {hashlib.sha1(row.numpy().tobytes()).digest() for row in rows.contiguous()}


@every_task
def test_no_example_is_in_two_splits(name):
    shown = [inputs(split) for split in loaded(name)]
    width = min(rows.shape[-1] for rows in shown)
    train, val, test = (digests(rows, width) for rows in shown)
    assert not (train & val or train & test or val & test)


@every_task
def test_loading_again_gives_the_same_data(name):
    assert registry.get(name).load(Source()).fingerprint() == loaded(name).fingerprint()


@every_task
def test_augmentation_is_seeded_and_leaves_its_argument_alone(name):
    task, batch = registry.get(name), first(loaded(name).train, 4)
    kept = {k: v.clone() for k, v in batch.items()}
    once, again = (task.augment(batch, torch.Generator().manual_seed(7)) for _ in range(2))
    assert_same(batch, kept)
    assert_same(once, again)
    assert {k: len(v) for k, v in once.items()} == dict.fromkeys(batch, 4)


# -- loss and metric ---------------------------------------------------------------------------------


@every_task
def test_loss_is_the_mean_over_examples(name):
    task, batch = registry.get(name), first(loaded(name).val, 8)
    torch.manual_seed(0)
    model = task.build().eval()
    with torch.no_grad():
        whole, _ = task.forward(model, batch)
        parts = [task.forward(model, {k: v[i : i + 2] for k, v in batch.items()})[0] for i in (0, 2, 4, 6)]
    assert whole.shape == () and whole.dtype == torch.float32
    assert whole.item() == pytest.approx(torch.stack(parts).mean().item(), rel=1e-4)


@every_task
def test_evaluation_does_not_depend_on_the_batch_size(name):
    run = small_run(name)
    run.train(2)
    expected = run.evaluate()
    run.task = replace(run.task, batch_size=3)
    found = run.evaluate()
    assert found.loss == pytest.approx(expected.loss, rel=1e-4)
    assert found.metric == pytest.approx(expected.metric, rel=1e-3, abs=1e-6)


@every_task
def test_training_lowers_the_loss(name):
    losses, _, _ = short_trainings(name)[-1]
    assert sum(losses[-5:]) < sum(losses[:5])


@every_task
def test_training_improves_the_metric_in_its_direction(name):
    assert better(registry.get(name), short_trainings(name)[-1])


# -- the run ----------------------------------------------------------------------------------------


@every_task
def test_seed_decides_the_run(name):
    a, b, other = (small_run(name, seed) for seed in (5, 5, 6))
    losses = [run.train(4) for run in (a, b, other)]
    assert losses[0] == losses[1] != losses[2]
    assert a.evaluate() == b.evaluate()


@every_task
def test_restored_snapshot_continues_identically(name):
    run, fresh = small_run(name, 2), small_run(name, 3)
    run.train(2)
    taken = run.snapshot()
    expected = run.train(5), run.evaluate()
    run.restore(taken)
    assert (run.train(5), run.evaluate()) == expected
    fresh.restore(taken)
    assert (fresh.train(5), fresh.evaluate()) == expected


@every_task
def test_evaluation_changes_no_state(name):
    run = small_run(name)
    run.train(1)
    rng, taken = torch.get_rng_state(), run.snapshot()
    run.evaluate("val")
    run.evaluate("test")
    assert_same(run.snapshot(), taken)
    assert torch.equal(torch.get_rng_state(), rng)
    assert run.model.training


@every_task
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_losses_are_finite_in_float32(name, optimizer):
    run = small_run(name, optimizer=optimizer)
    assert all(math.isfinite(loss) for loss in run.train(3))
    assert {p.dtype for p in run.model.parameters()} == {torch.float32}
