"""Wider, deeper and larger versions: every one builds, learns a step, and some are large."""

import pytest
import torch

from tasks import registry
from tasks.base import Source, Task, TaskError
from tasks.settings import encoded
from tasks.variants import NAMES, VARIANTS, settings, variants

MADE = [(task, name) for task in VARIANTS for name in VARIANTS[task]]
OF_THE_DATA = {"rows", "examples", "pairs", "scenes", "length", "vocabulary", "largest"}


def made(task: str, name: str, without: set[str] = frozenset()) -> Task:
    """The variant with nothing trained in advance, and without some of its settings."""
    numbers = {k: v for k, v in settings(task, name).items() if k not in without}
    if "pretraining" in numbers or task.startswith("finetune"):
        numbers["pretraining"] = 0
    return registry.get(task, "mini", encoded(numbers))


def parameters(task: Task) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in task.build().parameters())


def test_every_zoo_task_has_all_of_them():
    assert set(VARIANTS) == set(registry.names("zoo"))
    assert all(set(variants(task)) == {"base", *NAMES} for task in VARIANTS)


def test_every_task_has_its_own_numbers_and_others_are_told():
    assert settings("ptb_lstm", "base") == {}
    with pytest.raises(TaskError, match="ptb_lstm has no variant 'wide'; known: base"):
        settings("ptb_lstm", "wide")
    with pytest.raises(TaskError, match="did you mean large"):
        settings("svhn_vgg", "lage")


def test_all_are_larger_than_mini_and_several_have_over_300_000_parameters():
    counts = {made_of: parameters(made(*made_of)) for made_of in MADE}
    assert all(count > parameters(registry.get(task)) for (task, _), count in counts.items())
    assert sum(count > 300_000 for count in counts.values()) >= 8
    assert max(counts.values()) < 1_200_000


@pytest.mark.parametrize(("name", "variant"), MADE)
def test_each_passes_a_batch_forward_and_back(name, variant):
    task = made(name, variant, without=OF_THE_DATA)
    batch = {k: v[:4] for k, v in task.load(Source()).train.items()}
    torch.manual_seed(0)
    model = task.build()
    loss, _ = task.forward(model, task.augment(batch, torch.Generator().manual_seed(0)))
    loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    assert sum(float(p.grad.abs().sum()) for p in model.parameters() if p.grad is not None) > 0
