"""Trainings that are written one by one, carried out together.

Each training is a function of a run, in a thread of its own: it trains, evaluates, goes back, as if it were
alone. Where it asks for steps or an evaluation it waits until all others have asked for something, too; then
those that ask for the same get it from one stack. One thread runs at a time, in a fixed order.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from tasks.loop import Evaluation, TaskRun
from tasks.stacked.stack import Stack
from tasks.stream import Split
from tasks.together.twin import NotStackable

Training = Callable[[Callable[..., TaskRun]], object]
"""Takes what makes its run (with the arguments of :class:`~tasks.loop.TaskRun`); it makes one."""


class _Asked(NamedTuple):
    """Steps, or an evaluation."""

    what: str
    arguments: tuple[Any, ...]


class _Over(NamedTuple):
    """A training has returned, or failed."""

    result: object
    error: BaseException | None


class _Ended(BaseException):
    """The others are given up."""


class _Lane:
    """A training's thread, and what goes to and fro."""

    def __init__(self, number: int, training: Training) -> None:
        self.number = number
        self.stack: Stack | None = None
        self.run: LaneRun | None = None
        self._said: queue.Queue[_Asked | _Over] = queue.Queue()
        self._answers: queue.Queue[Any] = queue.Queue()
        self._thread = threading.Thread(target=self._live, args=(training,), daemon=True)

    def start(self) -> _Asked | _Over:
        """Until it asks for something."""
        self._thread.start()
        return self._said.get()

    def answer(self, value: Any) -> _Asked | _Over:
        """Go on, until it asks for something else."""
        self._answers.put(value)
        return self._said.get()

    def ask(self, asked: _Asked) -> Any:
        """In the thread: wait for what was asked for."""
        self._said.put(asked)
        answer = self._answers.get()
        if isinstance(answer, _Ended):
            raise answer
        return answer

    def _live(self, training: Training) -> None:
        def make(*arguments: Any, **named: Any) -> TaskRun:
            self.run = LaneRun(self, *arguments, **named)
            return self.run

        try:
            over = _Over(training(make), None)
        except BaseException as error:
            over = _Over(None, error)
        self._said.put(over)


class LaneRun(TaskRun):
    """A run whose steps and evaluations are those of a stack; its data position is not its own."""

    def __init__(self, lane: _Lane, *arguments: Any, **named: Any) -> None:
        self._lane = lane
        super().__init__(*arguments, **named)

    def reseed(self, *key: object) -> None:
        """A new order of the data; what is drawn comes from the stack's stream."""
        super().reseed(*key)
        if self._lane.stack is not None:
            self._lane.stack.fresh_order(self._lane.number)

    def train(self, steps: int, step: Any = None) -> list[float]:
        """As for every run, but only with the optimizer's own step."""
        if step is not None:
            raise NotStackable("a method's own step is not stacked")
        found: list[float] = self._lane.ask(_Asked("train", (steps,)))
        return found

    def evaluate(self, split: Split = "val", *, metric: bool = True) -> Evaluation:
        """As for every run."""
        found: Evaluation = self._lane.ask(_Asked("evaluate", (split, metric)))
        return found

    def snapshot(self) -> dict[str, Any]:
        """As for every run, but for the order of the data."""
        assert self._lane.stack is not None, "a run has trained before it is saved"
        return self._lane.stack.snapshot(self._lane.number)

    def restore(self, snapshot: dict[str, Any]) -> None:
        """As for every run, with a new order of the data."""
        assert self._lane.stack is not None
        self._lane.stack.restore(self._lane.number, snapshot)


def in_lockstep(trainings: Sequence[Training], optimizer: str, *key: object) -> Iterator[tuple[int, object]]:
    """Carry out trainings of one task together; the number and the result of each, as they end.

    Args:
        trainings: whose runs have the task, data, optimizer, batch size and precision in common.
        optimizer: its name.
        key: decides what the stack draws.

    Raises:
        NotStackable: see :class:`~tasks.stacked.stack.Stack`.
    """
    lanes = [_Lane(i, training) for i, training in enumerate(trainings)]
    said = {lane.number: lane.start() for lane in lanes}
    try:
        yield from _over(said)
        runs = [lane.run for lane in lanes if lane.run is not None]
        if len(runs) < len(lanes):
            raise NotStackable("a training made no run")
        stack = Stack(runs, optimizer, *key)
        for lane in lanes:
            lane.stack = stack
        while said:
            asked = [one for one in said.values() if isinstance(one, _Asked)]
            most = max(asked, key=lambda one: (asked.count(one), one.what == "train"))
            numbers = [number for number, one in said.items() if one == most]
            for number, answer in zip(numbers, _carried_out(stack, numbers, most), strict=True):
                said[number] = lanes[number].answer(answer)
            yield from _over(said)
    finally:
        for number, one in said.items():
            if isinstance(one, _Asked):
                lanes[number].answer(_Ended())


def _carried_out(stack: Stack, numbers: Sequence[int], asked: _Asked) -> Sequence[object]:
    if asked.what == "train":
        return stack.train(numbers, *asked.arguments)
    split, metric = asked.arguments
    return stack.evaluate(numbers, split, metric=metric)


def _over(said: dict[int, _Asked | _Over]) -> Iterator[tuple[int, object]]:
    """Those that have ended, which are taken away; the first error is raised."""
    for number, one in list(said.items()):
        if isinstance(one, _Over):
            del said[number]
            if one.error is not None:
                raise one.error
            yield number, one.result
