"""What became of the units of a job, whoever runs them: tries, outcome, one progress bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from tasks.work.processes import Unit

RETRIES = 2
GRACE = 5.0
"""Seconds that running units have to finish after an interrupt."""


@dataclass
class Outcome:
    """What became of the units."""

    done: int = 0
    rows: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    left: int = 0


class Ledger:
    """Books what happens to the units and shows it on the bar: on stderr, and only on a terminal."""

    def __init__(self, units: Sequence[Unit], *, title: str, unit_name: str, tick_name: str) -> None:
        self.outcome = Outcome(left=len(units))
        self.deadline: float | None = None
        self._unit_name = unit_name
        self._units = len(units)
        self._tries: dict[str, int] = {}
        self._ticks: dict[str, int] = {}
        self._bar = tqdm(
            total=sum(unit.ticks for unit in units),
            desc=title,
            unit=f" {tick_name}",
            disable=not sys.stderr.isatty(),
            smoothing=0.1,
        )

    def tick(self, unit: Unit) -> None:
        """The unit got one step further."""
        self._ticks[unit.name] = self._ticks.get(unit.name, 0) + 1
        self._bar.update()

    def settle(self, unit: Unit, answer: int | str) -> bool:
        """Book the end of a unit, with its rows or its reason to fail; whether it is to be tried again."""
        ticks = self._ticks.pop(unit.name, 0)
        if isinstance(answer, str):
            self._tries[unit.name] = self._tries.get(unit.name, 0) + 1
            if self._tries[unit.name] <= RETRIES or self.deadline is not None:
                self._bar.update(-ticks)
                return True
            self.outcome.failures[unit.name] = answer
        else:
            self.outcome.done += 1
            self.outcome.rows += answer
        self.outcome.left -= 1
        self._bar.update(unit.ticks - ticks)
        shown = {self._unit_name: f"{self.outcome.done}/{self._units}", "failed": len(self.outcome.failures)}
        self._bar.set_postfix(shown)
        return False

    def interrupt(self) -> None:
        """Let running units finish for some seconds; the second interrupt does not wait."""
        if self.deadline is not None:
            self.deadline = 0.0
            return
        self.deadline = time.monotonic() + GRACE
        print(f"interrupted: finishing for {GRACE:.0f} s", file=sys.stderr)

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
            f"{len(outcome.failures)} of {outcome.done + len(outcome.failures)} {unit_name} failed after "
            f"{RETRIES + 1} tries each; the same command tries them again",
            file=stream or sys.stderr,
        )
    return 1 if outcome.failures else 0
