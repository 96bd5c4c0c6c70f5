"""What became of the units of a job, whoever runs them: what is next, tries, outcome, one progress bar."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tqdm import tqdm

from tasks.work.answers import Answer, Held, Left, worth_a_try
from tasks.work.claims import LEASE, LOOK, Claimed, claimed, owner
from tasks.work.processes import Unit

GRACE = 8.0
"""Seconds that running units have after an interrupt to finish or to save: ``docker stop`` kills after 10,
Slurm (``KillWait``) and Kubernetes after 30."""


@dataclass
class Outcome:
    """What became of the units."""

    done: int = 0
    rows: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    left: int = 0


class Ledger:
    """Books what happens to the units and shows it on the bar: on stderr, and only on a terminal.

    A unit that another program is making waits: until it is there, or until that program has shown no sign
    of life for :data:`tasks.work.claims.LEASE` seconds by our clock.
    """

    def __init__(self, units: Sequence[Unit], *, title: str, unit_name: str, tick_name: str) -> None:
        self.outcome = Outcome(left=len(units))
        self.deadline: float | None = None
        self._queue = deque(claimed(unit) for unit in units)
        self._waiting: deque[tuple[float, Claimed]] = deque()  # when to look again, and at what
        self._seen: dict[str, tuple[str, float]] = {}  # whose claim it is, and since when unchanged
        self._unit_name = unit_name
        self._units = len(units)
        self._reasons: dict[str, list[str]] = {}
        self._ticks: dict[str, int] = {}
        self._said = False
        self._bar = tqdm(
            total=sum(unit.ticks for unit in units),
            desc=title,
            unit=f" {tick_name}",
            disable=not sys.stderr.isatty(),
            smoothing=0.1,
        )

    @property
    def open(self) -> bool:
        """Whether there is a unit to begin, now or later."""
        return self.deadline is None and bool(self._queue or self._waiting)

    def next(self) -> Unit | None:
        """A unit to begin now; None where there is none, or not yet."""
        if self.deadline is not None:
            return None
        if self._queue:
            return self._queue.popleft()
        now = time.monotonic()
        if not self._waiting or now < self._waiting[0][0]:
            return None
        unit = self._waiting.popleft()[1]
        mark, since = self._seen[unit.name]
        return replace(unit, dead=mark if now - since >= LEASE else None)

    def put_back(self, unit: Unit) -> None:
        """The unit was not begun after all."""
        self._queue.appendleft(unit)

    def tick(self, unit: Unit) -> None:
        """The unit got one step further."""
        self._ticks[unit.name] = self._ticks.get(unit.name, 0) + 1
        self._bar.update()

    def settle(self, unit: Unit, answer: Answer) -> None:
        """Book the end of a unit, with its rows or its reason to fail; what is tried again is queued."""
        ticks = self._ticks.pop(unit.name, 0)
        if isinstance(answer, Held):
            self._wait(unit, answer)
            return
        if isinstance(answer, str):
            reasons = self._reasons.setdefault(unit.name, [])
            reasons.append(answer)
            if isinstance(answer, Left) or self.deadline is not None or worth_a_try(reasons):
                self._bar.update(-ticks)
                self._queue.append(unit)
                return
            self.outcome.failures[unit.name] = f"{answer} (tries: {len(reasons)})"
        else:
            self.outcome.done += 1
            self.outcome.rows += answer
        self.outcome.left -= 1
        self._bar.update(unit.ticks - ticks)
        shown = {self._unit_name: f"{self.outcome.done}/{self._units}", "failed": len(self.outcome.failures)}
        self._bar.set_postfix(shown)

    def _wait(self, unit: Unit, mark: str) -> None:
        assert isinstance(unit, Claimed)
        now = time.monotonic()
        if unit.name not in self._seen or self._seen[unit.name][0] != mark:
            self._seen[unit.name] = mark, now
        self._waiting.append((now + LOOK, unit))
        if not self._said:
            self._said = True
            print(f"{unit.name} is being made by {owner(mark)}: sharing the work with it", file=sys.stderr)

    def interrupt(self) -> None:
        """Let running units finish or save for some seconds; the second interrupt does not wait."""
        if self.deadline is not None:
            self.deadline = 0.0
            return
        self.deadline = time.monotonic() + GRACE
        print(f"interrupted: finishing or saving for at most {GRACE:.0f} s", file=sys.stderr)

    @property
    def over(self) -> bool:
        """Whether the seconds after an interrupt are."""
        return self.deadline is not None and time.monotonic() > self.deadline

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()

    def result(self) -> Outcome:
        """The outcome; KeyboardInterrupt after an interrupt, with what is left on stderr."""
        if self.deadline is not None:
            counts = f"{self.outcome.done} of {self._units} {self._unit_name} done, {self.outcome.left} left"
            print(counts, file=sys.stderr)
            raise KeyboardInterrupt
        return self.outcome


def report(outcome: Outcome, *, unit_name: str = "trials", stream: Any = None) -> int:
    """Say what failed and why; the stage's exit code, 1 where something did."""
    for name, reason in outcome.failures.items():
        print(f"failed: {name}: {reason}", file=stream or sys.stderr)
    if outcome.failures:
        print(
            f"{len(outcome.failures)} of {outcome.done + len(outcome.failures)} {unit_name} failed; "
            "the same command tries them again",
            file=stream or sys.stderr,
        )
    return 1 if outcome.failures else 0
