"""Programs with the same request share the work, and a dead one's share is taken over."""

import json
import multiprocessing as mp
import os
from pathlib import Path

import pytest

from tasks.work import claim_files, claims, places, workers
from tasks.work.answers import Taken
from tests.units import Part


@pytest.fixture(params=["exclusive", "listed"])
def part(request, tmp_path, monkeypatch) -> str:
    """A file to be made, on a filesystem that creates exclusively and on one that does not."""
    if request.param == "listed":
        monkeypatch.setattr(places, "is_local", lambda place: False)
        monkeypatch.setattr(claim_files, "SETTLE", 0.01)
    return str(tmp_path / "task=a" / "part-1.parquet")


def files(part: str) -> list[Path]:
    return [path for path in Path(part).parent.rglob("*") if path.is_file()]


def mark_of(part: str) -> str:
    (file,) = (path for path in files(part) if path.suffix != ".tmp")  # a renewal is being renamed into place
    return file.read_text()


def rewrite(part: str, **changes: object) -> None:
    (file,) = files(part)
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_claim_has_one_holder_and_leaves_nothing(part):
    with claims.held(part):
        with pytest.raises(Taken) as other, claims.held(part):
            pass
        assert other.value.mark == mark_of(part)
        assert claims.owner(other.value.mark).startswith(f"process {os.getpid()} on ")
    assert files(part) == []
    with claims.held(part), pytest.raises(Taken), claims.held(part):
        pass
    assert files(part) == []


def test_a_failure_inside_gives_the_claim_back(part):
    with pytest.raises(RuntimeError), claims.held(part):
        raise RuntimeError
    assert files(part) == []


def test_the_claim_of_a_process_that_is_gone_from_this_machine_is_over_at_once(part):
    with claims.held(part):
        rewrite(part, started="before", nonce="another", pid=os.getpid())  # its number is another's by now
        with claims.held(part):
            pass


def test_of_another_machine_only_silence_counts(part):
    with claims.held(part):
        rewrite(part, machine="another", nonce="another")
        with pytest.raises(Taken) as other, claims.held(part):
            pass
        rewrite(part, beat=1)
        with pytest.raises(Taken), claims.held(part, dead=other.value.mark):  # it has shown a sign of life
            pass
        with claims.held(part, dead=mark_of(part)):
            pass


def test_signs_of_life_change_the_mark(part, monkeypatch):
    monkeypatch.setattr(claims, "RENEW", 0.05)
    with claims.held(part):
        first = mark_of(part)
        for _ in range(200):
            if mark_of(part) != first:
                break
            claims.time.sleep(0.05)
        else:
            pytest.fail("no sign of life in 10 s")


def test_who_waits_comes_in_when_the_claim_is_free(part):
    with claims.waiting(part):
        pass
    assert files(part) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no directory")
    with (
        pytest.raises(claims.InputError, match="choose another out="),
        claims.held(f"{tmp_path}/file/part-1"),
    ):
        pass


def _make(folder: str, results: "mp.Queue[int]") -> None:
    # a program has two workers: where three units are on their way, both programs take part
    units = [Part(f"{folder}/part-{i}.parquet", begun=3) for i in range(8)]
    results.put(workers.run_all(units, workers=2, title="test").rows)


def test_two_programs_with_the_same_units_make_each_once(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.work.ledger.LOOK", 0.1)
    context = mp.get_context("fork")
    results = context.Queue()
    programs = [context.Process(target=_make, args=(str(tmp_path), results)) for _ in range(2)]
    for program in programs:
        program.start()
    rows = [results.get(timeout=300) for _ in programs]
    for program in programs:
        program.join()
    assert sum(rows) == 8 and min(rows) > 0
    assert sorted((tmp_path / "made").read_text().split()) == [f"part-{i}.parquet" for i in range(8)]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("mark", ["far", ""])  # empty: killed while it wrote, on a disk without links
def test_a_silent_program_is_waited_for_and_then_replaced(tmp_path, monkeypatch, capsys, mark):
    monkeypatch.setattr("tasks.work.ledger.LOOK", 0.1)
    monkeypatch.setattr("tasks.work.ledger.LEASE", 0.5)
    parts = [str(tmp_path / f"part-{i}.parquet") for i in range(2)]
    with claims.held(parts[0]):
        (file,) = tmp_path.glob(".*")
        alone = json.loads(file.read_text()) | {"machine": "another", "host": "far", "pid": 7}
        file.write_text(json.dumps(alone) if mark else "")
        outcome = workers.run_all([Part(path) for path in parts], workers=1, title="test")
    assert (outcome.done, outcome.rows, outcome.failures) == (2, 2, {})
    whose = "process 7 on far" if mark else "another program"
    assert f"part-0.parquet is being made by {whose}: sharing the work" in capsys.readouterr().err


def test_a_disk_without_links_creates_for_one_caller_too(tmp_path, monkeypatch):
    def unknown(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(claim_files.os, "link", unknown)
    part = str(tmp_path / "part-1.parquet")
    with claims.held(part), pytest.raises(Taken), claims.held(part):
        pass
    assert files(part) == []
