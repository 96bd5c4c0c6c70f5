"""A Ray cluster: connected to, and what runs on it.

``ray`` is an extra and imported on use. Every machine needs this checkout, at the same path or brought
by ``ray job submit --working-dir``.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from tasks.errors import InputError
from tasks.work import cards, interrupts
from tasks.work.answers import Answer, Stopped
from tasks.work.processes import Unit, attempt


class Board:
    """An actor: which tries said something, until the driver takes it, and whether all are to stop."""

    def __init__(self) -> None:
        self._said: list[int] = []
        self._stopping = False

    def say(self, number: int) -> bool:
        """Try ``number`` began, or got one step further; whether it is to stop."""
        self._said.append(number)
        return self._stopping

    def take(self) -> list[int]:
        """What was said since the last call."""
        said, self._said = self._said, []
        return said

    def stop(self) -> None:
        """From now on."""
        self._stopping = True


def work_on(unit: Unit, number: int, board: Any, threads: int, share: float) -> Answer:
    """What a Ray worker does with a unit: rows made, or why it failed."""
    import ray
    import torch

    torch.set_num_threads(threads)
    if 0 < share < 1:
        cards.limit(share)  # Ray shares out cards, not their memory
    board.say.remote(number)  # it began

    def tick() -> None:
        with contextlib.suppress(ray.exceptions.RayActorError):  # it restarts
            if ray.get(board.say.remote(number)):
                raise Stopped

    return attempt(unit, tick)


@contextlib.contextmanager
def connected(workers: str, num_cpus: float) -> Iterator[ModuleType]:
    """Ray, connected; a local Ray ends with the block."""
    try:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns of a change to come
        import ray
    except ImportError as error:
        raise InputError("executor=ray needs Ray: pip install 'arc-lr[ray]'") from error
    address = os.environ.get("RAY_ADDRESS", "local")
    size: dict[str, Any] = {}
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        size = {"include_dashboard": False, "object_store_memory": 100_000_000}
        if workers != "auto":
            size["num_cpus"] = max(1, math.ceil(int(workers) * num_cpus))
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **size)
    except ConnectionError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"no Ray cluster at RAY_ADDRESS={address}: {reason}") from error
    except Exception as error:  # Ray's own, where a node is not up after 30 s
        ray.shutdown()
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"no Ray starts here: {reason} Try again when the machine is less busy, or start one first: "
            "ray start --head, and RAY_ADDRESS=auto"
        ) from error
    interrupts.listen()  # Ray has put its own answer to SIGTERM in place
    try:
        yield ray
    finally:
        ray.shutdown()
