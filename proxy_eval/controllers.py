"""ARC in the comparison: which network, which rules around it, and what decides its runs."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from arc import policy as policies
from arc import weights as files
from arc.methods.controlled import Controlled
from arc.methods.method import Method
from arc.methods.run import Run
from arc.network import Network
from tasks.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Arc:
    """A factory of ARC: ``(run, steps, **options)`` to a method.

    The option ``controller`` (or ``weights``) is the directory of a controller, or a Keras ``.h5`` file;
    the shipped controller by default. ``period`` is in epochs.

    Attributes:
        policy: ``default`` or ``paper``.
        anneal: tell the controller the length of the run, so that it anneals at the end.
        rollback: go back to a good state after a loss that exploded.
        searched: choose LR0 by step sampling first.
    """

    policy: policies.PolicyName = "default"
    anneal: bool = False
    rollback: bool = False
    searched: bool = False

    def __call__(
        self,
        run: Run,
        steps: int,
        *,
        controller: str | None = None,
        weights: str | None = None,
        period: int = 3,
    ) -> Method:
        """The method, for one run."""
        from arc.controller import Controller

        found = network(weights or controller)

        def begin(run: Run, epochs: int) -> Controller:
            more: dict[str, Any] = {"total_epochs": epochs} if self.anneal else {}
            if self.rollback:
                more |= {"model": run.model, "rollback": True}
            return Controller(run.optimizer, network=found, policy=self.policy, period=period, **more)

        method = Controlled(controller=begin)
        if not self.searched:
            return method
        from arc.methods.step_sampling import StepSampling

        return StepSampling(then=method)

    def identity(self, *, controller: str | None = None, weights: str | None = None, **_: Any) -> Any:
        """What decides a run beyond the method's name and plain options: the weights and the rules."""
        return {"weights": digest(weights or controller), "policy": asdict(policies.get(self.policy))}


def digest(place: str | None) -> str:
    """A hash of the weights of a controller directory or of a Keras file."""
    file = Path(place) if place and place.endswith(".h5") else Path(place or files.PRETRAINED) / files.WEIGHTS
    if not file.is_file():
        raise InputError(f"no file {file}; name a controller directory (controller=) or an .h5 (weights=)")
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


@functools.lru_cache(maxsize=16)
def network(place: str | None) -> Network:
    """The network of a controller directory or of a Keras file, once per process; it keeps no state."""
    return files.import_keras(place) if place and place.endswith(".h5") else files.load(place)
