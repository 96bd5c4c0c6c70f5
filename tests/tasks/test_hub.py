"""``data=hub`` with a stub of the datasets package: what is asked of it, and what becomes of the answer."""

import re
import sys
import types

import numpy as np
import pytest
import sklearn.datasets
import torch
from PIL import Image

from tasks import registry
from tasks.base import Source, TaskError
from tasks.data import hub

HUB = Source(kind="hub")
REPOSITORIES = {r.id: r for r in vars(hub).values() if isinstance(r, hub.Repository)}


class Rows:
    """A split as the datasets package gives it: columns by name, rows by number."""

    def __init__(self, repository: hub.Repository, count: int) -> None:
        self.repository, self.count = repository, count
        self.column_names = [repository.inputs, repository.label]

    def __getitem__(self, key):
        if isinstance(key, int):
            return {name: self[name][key] for name in self.column_names}
        if key == self.repository.label:
            return [i // 2 % 2 for i in range(self.count)]
        if self.repository.inputs == "text":
            return [f"word{'x' * i} of {'y' * self.count}" for i in range(self.count)]
        return [Image.fromarray(np.full((9, 9, 3), i, dtype=np.uint8)) for i in range(self.count)]


@pytest.fixture
def asked(monkeypatch):
    """The calls of load_dataset, which answers from memory."""
    calls = []

    def load_dataset(path, name=None, *, revision):
        calls.append((path, name, revision))
        repository = REPOSITORIES[path]
        held_out = "validation" if path == hub.FOOD.id else "test"
        return {"train": Rows(repository, 40), held_out: Rows(repository, 6), "extra": Rows(repository, 3)}

    stub = types.ModuleType("datasets")
    stub.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", stub)
    for fetcher in (name for name in dir(sklearn.datasets) if name.startswith("fetch_")):
        monkeypatch.setattr(sklearn.datasets, fetcher, _unreachable)
    return calls


def _unreachable(**_: object) -> None:
    raise ConnectionError("no network")


@pytest.mark.parametrize("name", registry.names())
def test_each_task_loads_a_pinned_repository_or_says_where_to_download(name, asked):
    task = registry.get(name)
    try:
        data = task.load(HUB)
    except TaskError as error:
        message = str(error)
        told = ("download" in message and "data=local" in message) or "data=embedded" in message
        assert not asked and told  # where else its data are, or that it has only its own
        return
    ((path, config, revision),) = asked
    assert (path, revision, config) == REPOSITORIES[path][:3]
    assert re.fullmatch(r"[0-9a-f]{40}", revision)
    assert [len(next(iter(split.values()))) for split in data] == [36, 4, 6]
    assert all(split["label"].unique().tolist() == [0, 1] for split in data)
    loss, _ = task.forward(task.build(), task.augment(data.train, torch.Generator()))
    assert loss.isfinite()


def test_there_is_a_task_for_every_repository(asked):
    for name in registry.names():
        try:
            registry.get(name).load(HUB)
        except TaskError:
            continue
    assert {path for path, _, _ in asked} == set(REPOSITORIES)


def test_every_tenth_training_row_is_for_validation(asked):
    data = registry.get("svhn_vgg").load(HUB)
    assert data.val["image"][:, 0, 0, 0].tolist() == [9, 19, 29, 39]
    assert data.test["image"][:, 0, 0, 0].tolist() == list(range(6))
    assert data.test["label"].tolist() == [0, 0, 1, 1, 0, 0]


def test_what_fails_is_one_line_with_the_remedy(asked, monkeypatch):
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach the hub\nmore")

    monkeypatch.setattr(sys.modules["datasets"], "load_dataset", unreachable)
    with pytest.raises(TaskError, match=r"ufldl-stanford/svhn .*\(Couldn't reach the hub\); .*data=local"):
        registry.get("svhn_vgg").load(HUB)
    other = {"train": Rows(hub.CIFAR10, 9)}
    monkeypatch.setattr(sys.modules["datasets"], "load_dataset", lambda *_, **__: other)
    with pytest.raises(
        TaskError, match=r"train of ethz/food101 has the columns \['img', 'label'\], not image"
    ):
        registry.get("food_densenet").load(HUB)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(TaskError, match=r"pip install 'arc-lr\[data\]'"):
        registry.get("imdb_lstm").load(HUB)
