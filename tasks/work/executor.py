"""Where a stage's units run: the keys that all stages of long work have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self, TypeVar

from tasks.errors import InputError
from tasks.work import ray_workers, workers
from tasks.work.cards import Cards, visible
from tasks.work.ledger import Outcome
from tasks.work.processes import Unit

U = TypeVar("U", bound=Unit)


@dataclass(frozen=True, kw_only=True)
class Executor:
    """How units of work run.

    Attributes:
        executor: ``local`` (processes here) or ``ray``.
        workers: processes (on Ray: the most units at once), or ``auto``.
        num_cpus: cores, and threads, of one unit.
        num_gpus: cards, or the share of one, of one unit; 0 on local cards: by the memory that units take.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        timeout: minutes that one try of a unit may take.
        shard: ``i/N``: only the i-th of N shares.

    Raises:
        InputError: a value out of range.
    """

    executor: str = "local"
    workers: str = "auto"
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    device: str = "auto"
    timeout: float = float("inf")
    shard: str | None = None

    def __post_init__(self) -> None:
        if self.executor not in ("local", "ray"):
            raise InputError(f"got executor={self.executor}, need local or ray")
        if not self.num_cpus > 0 or self.num_gpus < 0:
            raise InputError(
                f"got num_cpus={self.num_cpus}, num_gpus={self.num_gpus}, need more than 0 and at least 0"
            )
        if not self.timeout > 0:
            raise InputError(f"got timeout={self.timeout}, need minutes > 0")
        self._share()

    @classmethod
    def of(cls, config: Any, **fixed: Any) -> Self:
        """From the keys of a stage's configuration that are called like the attributes.

        Args:
            config: of the stage.
            fixed: attributes that no key decides, such as ``device="cpu"`` where units use no card.
        """
        names = [field.name for field in fields(cls)]
        return cls(**{name: getattr(config, name) for name in names if hasattr(config, name)} | fixed)

    def where(self) -> str:
        """The device of the units. A cluster's machines may have what this one has not."""
        if self.executor == "ray":
            return ("cuda" if self.num_gpus else "cpu") if self.device == "auto" else self.device
        return workers.resolve_device(self.device)

    def share(self, units: Sequence[U]) -> list[U]:
        """The units of this machine's share."""
        first, stride = self._share()
        return list(units[first::stride])

    @property
    def shared(self) -> bool:
        """Whether other machines have shares of their own."""
        return self._share()[1] > 1

    def _share(self) -> tuple[int, int]:
        found = re.fullmatch(r"(\d+)/(\d+)", self.shard or "1/1")
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise InputError(f"got shard={self.shard}, need i/N with 1 <= i <= N, such as 1/4")
        return int(found[1]) - 1, int(found[2])

    def run(
        self, units: Sequence[Unit], *, title: str, unit_name: str = "trials", tick_name: str = "rows"
    ) -> Outcome:
        """Run all of them; what became of them. The names are those of the bar."""
        timeout = 60 * self.timeout
        if self.executor == "ray" and units:
            return ray_workers.run_all(
                units,
                workers=self.workers,
                num_cpus=self.num_cpus,
                num_gpus=self.num_gpus,
                title=title,
                unit_name=unit_name,
                tick_name=tick_name,
                timeout=timeout,
            )
        return workers.run_all(
            units,
            workers=self.cards(len(units)),
            title=title,
            unit_name=unit_name,
            tick_name=tick_name,
            timeout=timeout,
            threads=max(1, int(self.num_cpus)),
            share=self.num_gpus if 0 < self.num_gpus < 1 else None,
        )

    def cards(self, units: int) -> Cards:
        """How many local processes, and which card each has."""
        auto = self.workers == "auto"
        # a number that was asked for is taken; auto: what there are cores for, each with its threads
        most = max(1, int(workers.cores() / self.num_cpus)) if auto else workers.count(self.workers)
        # cuda:1 is said of this process's cards: every worker sees them all, and takes that one
        names = visible() if self.where() == "cuda" else ()
        return Cards(names, most=min(most, max(1, units)), fixed=not auto, share=self.num_gpus)


@dataclass(frozen=True, kw_only=True)
class Executed:
    """The keys of a stage's configuration that are those of its :class:`Executor`, and checked by it."""

    workers: str
    executor: str = "local"
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    timeout: float = float("inf")
    shard: str | None = None

    def __post_init__(self) -> None:
        Executor.of(self)
