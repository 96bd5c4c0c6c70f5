"""The suite of the comparison: which tasks, with which optimizer, around which LR."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from string import digits
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tasks import optimizers
from tasks.errors import InputError
from tasks.work.cli import CONFIGS

DEFAULT_LR = {"adam": 1e-3, "adamw": 1e-3, "sgd": 1e-3, "momentum": 1e-3, "rmsprop": 1e-2}
DEFAULT_LR |= {"own": 1e-3}  # that of torch's Muon and AdamW
"""torch's default LR of each optimizer: what a user has who chooses none."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A task of the suite.

    Attributes:
        name: in the registry, or the path of a task file.
        optimizer: its optimizer.
        best_lr: the LR in the middle of its grid; None where LRs are given.
        epochs: the horizon.
    """

    name: str
    optimizer: str
    best_lr: float | None
    epochs: int

    def grid(self, decades: list[float]) -> list[float]:
        """LRs at these distances from the best one, in decades."""
        if self.best_lr is None:
            raise InputError(f"{self.name} is in no suite, so it has no grid: give lr0=[...]")
        return [float(f"{self.best_lr * 10**d:.4g}") for d in decades]


def read(name: str) -> list[Entry]:
    """The suite ``configs/<name>.yaml``; InputError where it isn't one."""
    path = CONFIGS / f"{name}.yaml"
    if not path.is_file():
        raise InputError(f"no suite {name!r}: there is no {path.relative_to(CONFIGS.parent)}")
    try:
        found: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
        return [_entry(task, values, found["horizon"]) for task, values in found["tasks"].items()]
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, OmegaConfBaseException, ValueError) as error:
        raise InputError(
            f"{path.name} is no suite ({error!r}); need horizon, and tasks: {{name: {{optimizer, best_lr}}}}"
        ) from error


def entries(tasks: Any, *, optimizer: str | None, epochs: int | None) -> list[Entry]:
    """What ``tasks=`` asks for: a suite's name, a task, or a list of tasks.

    A task keeps the optimizer, best LR and horizon of the suite that it is in (``suite``, else
    ``suite2``, else ``dev_suite``); others need ``optimizer`` and ``epochs``, which replace those of a
    suite, too.
    """
    asked = [tasks] if isinstance(tasks, str) else list(tasks)
    if len(asked) == 1 and is_suite(asked[0]):
        found = read(asked[0])
    else:
        suites = [name for name in ("dev_suite", "suite2", "suite") if is_suite(name)]
        known = {e.name: e for name in suites for e in read(name)}
        found = [known.get(name) or _own(name, optimizer, epochs) for name in asked]
    if optimizer is not None:
        optimizers.check(optimizer)
    return [
        Entry(
            name=e.name,
            optimizer=optimizer or e.optimizer,
            # the best LR of one optimizer says nothing about another
            best_lr=e.best_lr if optimizer in (None, e.optimizer) else None,
            epochs=epochs or e.epochs,
        )
        for e in found
    ]


def is_suite(name: str) -> bool:
    """Whether there is a suite of this name."""
    return name.rstrip(digits).endswith("suite") and Path(CONFIGS / f"{name}.yaml").is_file()


def _own(name: str, optimizer: str | None, epochs: int | None) -> Entry:
    if optimizer is None or epochs is None:
        raise InputError(f"{name} is in no suite: say optimizer= and epochs=")
    return Entry(name=name, optimizer=optimizer, best_lr=None, epochs=epochs)


def _entry(name: str, values: dict[str, Any], horizon: int) -> Entry:
    optimizers.check(values["optimizer"])
    best = float(values["best_lr"])
    if not 0 < best < math.inf:
        raise InputError(f"got best_lr={best} for {name}, need a positive LR")
    return Entry(name=name, optimizer=values["optimizer"], best_lr=best, epochs=int(horizon))
