"""Units in processes: each fails for itself, and everything is accounted for."""

import os
import time

import pytest

from tasks.errors import InputError
from tasks.work import ledger, workers
from tasks.work.answers import LATE, Death, Refusal, worth_a_try
from tasks.work.cards import Cards
from tests.units import Unit


def test_every_unit_is_done_retried_or_reported(tmp_path, capsys):
    units = [
        Unit("one"),
        Unit("raises", "raises"),
        Unit("refuses", "refuses"),
        Unit("dies", "dies"),
        Unit("wants memory", "wants memory"),
        Unit("dies once", "dies once", str(tmp_path / "mark")),
        Unit("two"),
    ]
    outcome = workers.run_all(units, workers=2, title="test")
    assert outcome.done == 3
    assert outcome.rows == 21
    assert outcome.left == 0
    assert outcome.failures.keys() == {"raises", "refuses", "dies", "wants memory"}
    assert "RuntimeError: a loss that nobody expected" in outcome.failures["raises"]
    assert outcome.failures["refuses"] == "the disk is full (tries: 2)"
    assert "MemoryError" in outcome.failures["wants memory"]
    assert "SIGKILL" in outcome.failures["dies"] and "(tries: 3)" in outcome.failures["dies"]
    assert workers.report(outcome) == 1
    assert "4 of 7 trials failed" in capsys.readouterr().err


def interrupted(monkeypatch, units, after):
    """One worker on the units, and an interrupt once it has said so much, however long it takes to start."""
    real, said, at = workers.ready, [], []

    def ready(pool):
        if len(said) >= after and not at:
            at.append(time.monotonic())
            raise KeyboardInterrupt
        found = real(pool)
        said.extend(found)
        return found

    monkeypatch.setattr(workers, "ready", ready)
    with pytest.raises(KeyboardInterrupt):
        workers.run_all(units, workers=1, title="test")
    assert time.monotonic() - at[0] < 30


def test_an_interrupt_lets_running_units_finish_only_for_a_while(monkeypatch, capsys):
    monkeypatch.setattr(ledger, "GRACE", 0.5)
    interrupted(monkeypatch, [Unit("a", "sleeps"), Unit("b")], after=1)
    assert "2 left" in capsys.readouterr().err


def test_a_unit_that_hangs_is_tried_once_more_and_reported():
    outcome = workers.run_all([Unit("a", "sleeps")], workers=1, title="test", timeout=0.1)
    assert outcome.done == 0
    assert outcome.failures == {"a": "it took longer than its time-out (tries: 2)"}


@pytest.mark.parametrize(
    ("reasons", "again"),
    [
        (["an error"], True),
        (["an error", "another"], True),
        (["an error", "an error"], False),
        (["an error", "another", "a third"], False),
        ([LATE], True),
        ([LATE, LATE], False),
        ([LATE, "an error", LATE], False),
        ([Death("killed"), Death("killed")], True),
        ([Death("killed")] * 3, False),
        ([Refusal("the disk is full")] * 2, False),
    ],
)
def test_what_will_not_help_is_not_tried_again(reasons, again):
    assert worth_a_try(reasons) is again


def test_a_unit_that_is_told_to_stop_is_left_for_the_next_call(monkeypatch, tmp_path, capsys):
    interrupted(monkeypatch, [Unit("a", "ticks for a minute", str(tmp_path / "saved"))], after=2)
    assert (tmp_path / "saved").exists()
    assert "0 of 1 trials done, 1 left" in capsys.readouterr().err


def test_every_worker_has_its_own_card_and_as_many_threads_as_cores(tmp_path):
    units = [Unit(f"{i}", "says what it sees", str(tmp_path)) for i in range(4)]
    cards = Cards(["3", "GPU-7"], most=4)
    assert workers.run_all(units, workers=cards, title="test", threads=2).done == 4
    seen = [file.read_text().split() for file in tmp_path.iterdir()]
    assert sorted(card for card, _ in seen) == ["3", "3", "GPU-7", "GPU-7"]
    assert {threads for _, threads in seen} == {"2"}


@pytest.mark.parametrize("value", ["0", "-1", "two", 0])
def test_bad_numbers_of_workers_are_refused(value):
    with pytest.raises(InputError, match="workers="):
        workers.count(value)


def test_auto_counts_the_cores_of_this_process():
    assert workers.count("auto") == len(os.sched_getaffinity(0))
