"""Follow a run by its log: a line for each call, and a page that the browser reads again."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from arc.decision import Decision
from arc.view.journal import FILE, RunLog, read
from arc.view.page import page

PAGE: Final = "arc.html"
REFRESH: Final = 3
"""Seconds from one look to the next, of the page and of ours."""
HEAD: Final = f"{'call':>5} {'LR':>9} {'train':>9} {'val loss':>9} {'cosine':>6} {'off':>5}  decision"
"""``off`` is how many decades the LR lies above (+) or below (-) the best one, as it was estimated."""


def watch(
    directory: Path,
    *,
    say: Callable[[str], None],
    follow: bool = True,
    pause: Callable[[float], None] = time.sleep,
    width: int | None = None,
) -> None:
    """Say every call of the run, and keep ``arc.html`` in its directory up to date.

    Args:
        directory: of the run (``log_dir``).
        say: takes a line.
        follow: go on until the run's last call (``total_calls``) or an interrupt; otherwise say what is
            there and return. A log that does not exist yet is waited for.
        pause: waits some seconds.
        width: columns within which reasons are wrapped in theirs; None wraps nothing.

    Raises:
        ValueError: no log, or one that is damaged.
    """
    said = 0
    last = ""
    if follow and not (directory / FILE).exists():
        say(f"waiting for {directory / FILE}")
    for log in _looks(directory, follow, pause):
        over = not follow or _over(log)
        if said > len(log.calls):  # the run has started again
            said = 0
        for line in _lines(log, said, width):
            say(line)
        said = len(log.calls)
        shown = page(directory.resolve().name, log, refresh=None if over else REFRESH) if said else ""
        if shown != last:
            _write(directory / PAGE, shown)
            if not last:
                say(f"page: {directory / PAGE}")
            last = shown
        if over:
            return


def final_page(directory: Path) -> None:
    """The page once more, no longer reading itself again."""
    if (directory / FILE).exists() and (log := read(directory)).calls:
        _write(directory / PAGE, page(directory.resolve().name, log))


def _looks(directory: Path, follow: bool, pause: Callable[[float], None]) -> Iterator[RunLog]:
    while True:
        if not follow or (directory / FILE).exists():
            yield read(directory)
        pause(REFRESH)


def _over(log: RunLog) -> bool:
    total = log.settings.get("total_calls")
    return bool(total and log.calls and log.calls[-1].epoch >= total)


def _lines(log: RunLog, said: int, width: int | None) -> Iterator[str]:
    decisions = {d.epoch: d for d in log.decisions}
    if not said and log.calls:
        yield HEAD
    for call in log.calls[said:]:
        val, cosine, off = (
            f"{'-':>{columns}}" if value is None else f"{value:{form}}"
            for value, columns, form in (
                (call.val_loss, 9, "9.4g"),
                (call.cosine, 6, "6.2f"),
                (call.distance, 5, "+5.1f"),
            )
        )
        front = f"{call.epoch:>5} {call.lr:9.2e} {call.train_loss:9.4g} {val} {cosine} {off}"
        decided = decisions.get(call.epoch)
        yield front if decided is None else _with_words(front + "  ", decided, width)


def _with_words(front: str, decision: Decision, width: int | None) -> str:
    """What was decided and why, wrapped behind the numbers."""
    words = f"{decision.deed} to {decision.lr_after[0]:.2e}: {decision.reason}"
    room = len(words) if width is None else max(20, width - len(front))
    return front + ("\n" + " " * len(front)).join(textwrap.wrap(words, room))


def _write(file: Path, text: str) -> None:
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_text(text, "utf-8")
    temporary.replace(file)
