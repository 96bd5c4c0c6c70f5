"""What the driver of ``executor=ray`` does, on a Ray that does everything at once and in this process."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from tasks.errors import InputError
from tasks.work import cards
from tasks.work.ledger import Ledger
from tasks.work.ray_cluster import Board, connected, work_on
from tasks.work.ray_workers import _Job
from tests.units import Part, Unit


class Ref:
    def __init__(self, value: object) -> None:
        self.value = value


class Actor:
    """An object whose methods are called with ``.remote``."""

    def __init__(self, inner: object) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> SimpleNamespace:
        method = getattr(self.inner, name)
        return SimpleNamespace(remote=lambda *arguments: Ref(method(*arguments)))


def remote(made: object) -> SimpleNamespace:
    wrap = Actor if isinstance(made, type) else Ref
    handle = SimpleNamespace(remote=lambda *arguments: wrap(made(*arguments)))
    return SimpleNamespace(options=lambda **_: handle)


@pytest.fixture
def ray(monkeypatch) -> ModuleType:
    fake = ModuleType("ray")
    fake.exceptions = SimpleNamespace(RayActorError=ConnectionError, RayError=RuntimeError)
    fake.remote, fake.get, fake.cancel = remote, lambda ref: ref.value, lambda *_, **__: None
    fake.wait = lambda refs, **_: (refs, [])
    monkeypatch.setitem(sys.modules, "ray", fake)
    return fake


def outcome_of(ray: ModuleType, units: list):
    job = _Job(ray, Ledger(units, title="t", unit_name="units", tick_name="ticks"), 60.0)
    job.run(remote(work_on).options(), (1, 0.0), 10)
    return job.ledger.outcome


def test_units_are_booked_claimed_and_tried_again(ray, tmp_path):
    units = [Unit("works"), Unit("raises", "raises"), Part(str(tmp_path / "part-1.parquet"), seconds=0)]
    found = outcome_of(ray, units)
    assert (found.done, found.rows, found.left) == (2, 8, 0)
    assert (
        "a loss that nobody expected" in found.failures["raises"] and "(tries: 2)" in found.failures["raises"]
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "part-1.parquet"]


def test_a_try_hears_at_its_next_tick_that_it_is_to_stop(ray, tmp_path):
    board = Actor(Board())
    board.stop.remote()
    assert "told to stop" in work_on(
        Unit("a", "ticks for a minute", str(tmp_path / "saved")), 0, board, 1, 0.0
    )


def test_a_try_has_the_threads_of_its_cores_and_its_share_of_a_card(ray, monkeypatch):
    shares = []
    monkeypatch.setattr(cards, "limit", shares.append)
    monkeypatch.setattr(torch, "set_num_threads", shares.append)
    board = Actor(Board())
    assert [work_on(Unit("a"), 0, board, 3, share) for share in (0.25, 0.0, 1.0)] == [7, 7, 7]
    assert shares == [3, 0.25, 3, 3]


def test_a_ray_that_does_not_start_is_one_line_and_leaves_nothing(ray, monkeypatch):
    ended = []

    def init(**_: object) -> None:
        raise Exception("The current node timed out during startup.\nThis could happen because")

    ray.init, ray.shutdown = init, lambda: ended.append(True)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    said = r"no Ray starts here: The current node timed out.*ray start --head"
    with pytest.raises(InputError, match=said), connected("1", 1.0):
        pytest.fail("it is connected")
    assert ended == [True]
