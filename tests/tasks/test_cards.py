"""How many workers a card has room for, on cards that are not there."""

from types import SimpleNamespace

import pytest
import torch

from tasks.errors import InputError
from tasks.work import executor, workers
from tasks.work.cards import Cards, Used, visible
from tasks.work.executor import Executor

GB = 10**9


def used(peak: float, held: float, taken: float, total: float = 80) -> Used:
    return Used(*(int(x * GB) for x in (peak, held, taken, total)))


def test_auto_begins_with_one_worker_a_card_and_goes_by_what_units_take():
    cards = Cards(["0", "1"], most=200, fixed=False)
    assert cards.workers == 2
    cards.saw(used(peak=1.5, held=1.5, taken=2.0))  # 0.5 of it is the context
    assert cards.workers == 2 * int(0.9 * 80 / 2.0)
    cards.saw(used(peak=0.5, held=0.5, taken=40))  # not alone any more: the card tells nothing of this one
    assert cards.workers == 2 * int(0.9 * 80 / 2.0)
    cards.saw(used(peak=19.5, held=10, taken=60))
    assert cards.workers == 2 * int(0.9 * 80 / 20)


def test_a_unit_larger_than_a_card_leaves_one_worker_there():
    cards = Cards(["0"], most=8, fixed=False)
    cards.saw(used(peak=79, held=79, taken=80))
    assert cards.workers == 1


def test_cores_are_the_other_bound():
    cards = Cards(["0"], most=4, fixed=False)
    cards.saw(used(peak=0.1, held=0.1, taken=0.6))
    assert cards.workers == 4


@pytest.mark.parametrize(("share", "workers"), [(0.1, 20), (0.25, 8), (1 / 3, 6), (1, 2), (2, 2)])
def test_a_share_of_a_card_is_kept(share, workers):
    cards = Cards(["0", "1"], most=100, fixed=False, share=share)
    cards.saw(used(peak=70, held=70, taken=71))
    assert cards.workers == workers


def test_without_cards_only_the_number_counts():
    cards = Cards((), most=3)
    assert (cards.workers, cards.free([None])) == (3, None)


def test_the_emptiest_card_is_next():
    cards = Cards(["0", "1", "2"], most=9)
    assert [cards.free(taken) for taken in ([], ["0"], ["0", "1", "2", "0", "1"])] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("variable", "names"),
    [(None, ("0", "1")), ("5,7", ("5", "7")), ("GPU-a,GPU-b,GPU-c", ("GPU-a", "GPU-b"))],
)
def test_cards_are_named_as_this_process_was_told(monkeypatch, variable, names):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible() == names


@pytest.mark.parametrize(
    ("keys", "count", "names"),
    [
        ({"device": "auto"}, 2, ("0", "1")),
        ({"device": "auto", "num_gpus": 0.25}, 8, ("0", "1")),
        ({"device": "cuda", "workers": "5"}, 5, ("0", "1")),
        ({"device": "cuda:1", "workers": "3"}, 3, ()),
        ({"device": "cpu", "num_cpus": 4}, 4, ()),
        ({"device": "cpu"}, 16, ()),
    ],
)
def test_the_keys_of_a_stage_say_how_many_and_where(monkeypatch, keys, count, names):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(workers, "cores", lambda: 16)
    cards = Executor(**keys).cards(units=100)
    assert (cards.workers, cards.names) == (count, names)


def test_a_stage_whose_units_use_no_card_has_a_worker_for_each_core(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(workers, "cores", lambda: 16)
    cards = Executor.of(SimpleNamespace(workers="auto"), device="cpu").cards(units=100)
    assert (cards.workers, cards.names) == (16, ())


def test_shares_of_a_job_are_disjoint_and_whole():
    parts = [Executor(shard=f"{i}/3").share(list(range(8))) for i in (1, 2, 3)]
    assert sorted(x for part in parts for x in part) == list(range(8))
    assert Executor(shard="1/3").shared and not Executor().shared


@pytest.mark.parametrize(
    "keys", [{"executor": "slurm"}, {"num_cpus": 0}, {"num_gpus": -1}, {"timeout": 0}, {"shard": "4/3"}]
)
def test_bad_keys_are_named(keys):
    with pytest.raises(InputError, match=f"got .*{next(iter(keys))}="):
        Executor(**keys)


def test_ray_gets_the_names_of_the_bar_and_the_share(monkeypatch):
    asked = {}
    monkeypatch.setattr(executor.ray_workers, "run_all", lambda units, **given: asked.update(given))
    Executor(executor="ray", num_gpus=0.5, num_cpus=3, timeout=2.0).run(
        [object()], title="t", unit_name="runs"
    )
    assert (asked["num_gpus"], asked["num_cpus"], asked["timeout"], asked["unit_name"]) == (
        0.5,
        3,
        120,
        "runs",
    )
