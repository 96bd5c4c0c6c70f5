"""Units in processes: each fails for itself, and everything is accounted for."""

import os
import time

import pytest

from tasks.errors import InputError
from tasks.work import ledger, workers
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
    assert outcome.failures["refuses"] == "the disk is full"
    assert "MemoryError" in outcome.failures["wants memory"]
    assert "SIGKILL" in outcome.failures["dies"]
    assert workers.report(outcome) == 1
    assert "4 of 7 trials failed" in capsys.readouterr().err


def test_an_interrupt_lets_running_units_finish_only_for_a_while(monkeypatch, capsys):
    monkeypatch.setattr(ledger, "GRACE", 0.5)
    receive = workers.ready
    calls = []

    def interrupted(pool):
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return receive(pool)

    monkeypatch.setattr(workers, "ready", interrupted)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        workers.run_all([Unit("a", "sleeps"), Unit("b")], workers=1, title="test")
    assert time.monotonic() - began < 30
    assert "2 left" in capsys.readouterr().err


def test_a_unit_that_hangs_is_ended_and_reported(monkeypatch):
    monkeypatch.setattr(ledger, "RETRIES", 0)
    outcome = workers.run_all([Unit("a", "sleeps")], workers=1, title="test", timeout=0.1)
    assert outcome.done == 0
    assert outcome.failures == {"a": "it took longer than its time-out"}


@pytest.mark.parametrize("value", ["0", "-1", "two", 0])
def test_bad_numbers_of_workers_are_refused(value):
    with pytest.raises(InputError, match="workers="):
        workers.count(value)


def test_auto_counts_the_cores_of_this_process():
    assert workers.count("auto") == len(os.sched_getaffinity(0))
