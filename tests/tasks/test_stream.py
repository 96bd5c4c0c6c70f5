"""Streams: seed and position decide a batch, wherever it is read, and a split is seen once and whole."""

from __future__ import annotations

import multiprocessing as mp
import random
import warnings
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, WeightedRandomSampler

from tasks.errors import TaskError
from tasks.fetch import worker_processes
from tasks.loaders import Loaders

EXAMPLES = 23


class Noisy(Dataset[Any]):
    """A number for each row, and three random ones that a transform would draw."""

    def __init__(self, length: int = EXAMPLES, first: int = 0) -> None:
        self.length, self.first = length, first

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, row: int) -> dict[str, float]:
        drawn = random.random() + np.random.random() + torch.rand(()).item()  # noqa: NPY002
        return {"row": float(self.first + row), "drawn": drawn}


class Endless(IterableDataset[Any]):
    """Rows that begin where the epoch says."""

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Any:
        for row in range(40):
            yield {"row": float(row + self.epoch % 1000), "drawn": torch.rand(()).item()}


def weighted() -> DataLoader[Any]:
    return DataLoader(Noisy(), 4, sampler=WeightedRandomSampler([1.0] * EXAMPLES, EXAMPLES), drop_last=True)


SOURCES = {
    "shuffled": lambda: DataLoader(Noisy(), 4, shuffle=True),
    "in order": lambda: DataLoader(Noisy(), 4),
    "a data set": Noisy,
    "processes": lambda: DataLoader(Noisy(), 4, shuffle=True, num_workers=2),
    "a sampler of its own": weighted,
    "without length": lambda: DataLoader(Endless(), 4),
}
every_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def loaders(train: Any, **changes: Any) -> Loaders:
    return Loaders(train, Noisy(7), Noisy(9, first=100), **({"batch_size": 4, "pass_steps": 5} | changes))


def taken(stream: Loaders, count: int, position: int = 0, seed: int = 1) -> list[dict[str, Tensor]]:
    return list(islice(stream.train_batches(seed, position), count))


def same(found: list[dict[str, Tensor]], others: list[dict[str, Tensor]]) -> bool:
    return [{k: v.tolist() for k, v in b.items()} for b in found] == [
        {k: v.tolist() for k, v in b.items()} for b in others
    ]


@every_source
def test_a_batch_is_decided_by_seed_and_position(source: Any) -> None:
    stream = loaders(source())
    straight = taken(stream, 12)
    assert same(straight, taken(stream, 12))
    for position in (3, 5, 7):  # within a pass, and beyond it
        assert same(straight[position:], taken(stream, 12 - position, position))
    assert not same(straight, taken(stream, 12, seed=2))


@every_source
def test_no_random_state_of_the_caller_is_touched(source: Any) -> None:
    stream = loaders(source())
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    taken(stream, 6)
    list(stream.batches("val"))
    stream.fingerprint()
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    assert before == after


def test_worker_processes_change_nothing_but_the_speed() -> None:
    assert same(taken(loaders(SOURCES["shuffled"]()), 12), taken(loaders(SOURCES["processes"]()), 12))


def test_a_pass_sees_every_example_at_most_once() -> None:
    rows = torch.cat([batch["row"] for batch in taken(loaders(Noisy()), 5)])
    assert len(rows) == 20 == len(set(rows.tolist())) and rows.tolist() != sorted(rows.tolist())
    in_order = taken(loaders(SOURCES["in order"]()), 6)
    assert torch.cat([batch["row"] for batch in in_order[:5]]).tolist() == list(range(20))
    assert in_order[5]["row"].tolist() == [0, 1, 2, 3]


def test_a_split_is_gone_through_once_whole_and_in_order() -> None:
    shuffling = DataLoader(Noisy(9, first=100), 4, shuffle=True, drop_last=True)
    stream = loaders(Noisy(), batch_size=4)
    stream._loaders["test"] = shuffling
    for split, rows in (("val", range(7)), ("test", range(100, 109)), ("train", range(EXAMPLES))):
        found = list(stream.batches(split))
        assert torch.cat([batch["row"] for batch in found]).tolist() == list(rows)
        assert same(found, list(stream.batches(split)))
        assert stream.count(split) == len(rows)


def test_other_batch_sizes() -> None:
    stream = loaders(Noisy()).sized(8)
    assert (stream.batch_size, stream.pass_steps) == (8, 2)
    assert [len(batch["row"]) for batch in taken(stream, 3)] == [8, 8, 8]
    assert loaders(Noisy()).sized(1000).batch_size == EXAMPLES
    with pytest.raises(TaskError, match="got batch_size=8, but Loaders has batches of its own"):
        loaders(weighted()).sized(8)


def test_the_fingerprint_knows_the_data() -> None:
    found = [
        loaders(Noisy()).fingerprint(),
        loaders(Noisy(EXAMPLES + 1)).fingerprint(),
        loaders(Noisy(first=1)).fingerprint(),
        loaders(Noisy(), version="2").fingerprint(),
        loaders(weighted()).fingerprint(),
    ]
    assert len(set(found)) == 5
    rows = [{"row": float(row), "drawn": 0.0} for row in range(EXAMPLES)]
    changed = [*rows[:-1], {"row": -1.0, "drawn": 0.0}]
    assert loaders(rows).fingerprint() != loaders(changed).fingerprint()
    assert loaders(Noisy()).fingerprint() == found[0] == loaders(SOURCES["processes"]()).fingerprint()


def test_a_stages_worker_may_have_those_of_a_data_loader() -> None:
    current_process = mp.current_process
    current_process()._config["daemon"] = True
    try:
        assert same(taken(loaders(SOURCES["processes"]()), 3), taken(loaders(Noisy()), 3))
        assert current_process().daemon
        with worker_processes():
            assert not current_process().daemon
    finally:
        current_process()._config.pop("daemon")


def test_processes_know_what_a_task_file_defines() -> None:
    class Unknown(Noisy):
        """No module that another process could import."""

    before = mp.get_start_method()
    mp.set_start_method("spawn", force=True)  # as in a stage's worker
    try:
        processes = loaders(DataLoader(Unknown(), 4, num_workers=1))
        assert same(taken(processes, 2), taken(loaders(SOURCES["in order"]()), 2))
    finally:
        mp.set_start_method(before, force=True)


def test_a_hugging_face_data_set() -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"x": [[float(i), 1.0] for i in range(12)], "y": list(range(12))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = datasets.Dataset.from_dict(rows).with_format("torch")
        stream = Loaders(data, data, DataLoader(data, 5), batch_size=4)
        straight = taken(stream, 5)
        assert same(straight[2:], taken(stream, 3, 2)) and straight[0]["x"].shape == (4, 2)
        assert [len(batch["y"]) for batch in stream.batches("test")] == [5, 5, 2]


class Rows(Dataset[Any]):
    """Ten times the same example."""

    def __init__(self, example: Any) -> None:
        self.example = example

    def __len__(self) -> int:
        return 10

    def __getitem__(self, row: int) -> Any:
        return self.example


def ragged(_: Any) -> dict[str, Tensor]:
    return {"a": torch.ones(4), "b": torch.ones(3)}


BAD = [
    (lambda: loaders([1, 2], batch_size=None), "got a data set for train: say batch_size=self.batch_size"),
    (lambda: loaders(iter([])), "got a list_iterator for train, need a DataLoader, or a data set"),
    (lambda: loaders(DataLoader(Endless(), 4), pass_steps=None), "has no length: give pass_steps="),
    (lambda: loaders(Noisy(3)), "got batch_size=4, need at most the examples of train"),
    (lambda: taken(loaders(DataLoader(Endless(), 4), pass_steps=11), 11), "after 10 .* pass_steps=10"),
    (lambda: taken(loaders(Rows((1.0, 2))), 1), "got a list of 2 for a batch: name its parts"),
    (lambda: taken(loaders(Rows({"text": "a"})), 1), "got a list for 'text' of a batch, need tensors"),
    (lambda: taken(loaders(DataLoader(Rows(1.0), 4, collate_fn=ragged)), 1), "one row for each of the 4"),
]


@pytest.mark.parametrize(("made", "message"), BAD)
def test_what_cannot_be_used_is_said_with_the_remedy(made: Any, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        made()


def test_parts_of_a_tuple_get_their_names() -> None:
    stream = loaders(Rows((torch.ones(2), 3)), names=("image", "label"))
    (batch,) = taken(stream, 1)
    assert batch["image"].shape == (4, 2) and batch["label"].tolist() == [3] * 4
    assert taken(loaders(Rows(torch.ones(2)), names=("x",)), 1)[0]["x"].shape == (4, 2)
