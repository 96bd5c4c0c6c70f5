"""ARC in the comparison: which network, which rules around it, and what decides its runs."""

from __future__ import annotations

import ast
import functools
import hashlib
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import arc
from arc.decision import RecoveryWarning
from arc.methods.controlled import Controlled
from arc.methods.method import Method
from arc.methods.run import Run
from arc.network import weights as files
from arc.network.estimator import Estimator
from arc.network.keras import import_keras
from arc.network.network import Network
from arc.policy import default as policies
from tasks.errors import InputError
from tasks.work import folders
from tasks.work.places import check_local, exists, join, read_bytes


@dataclass(frozen=True, kw_only=True)
class Arc:
    """A factory of ARC: ``(run, steps, **options)`` to a method.

    The option ``controller`` (or ``weights``) is the directory of a controller (a path or a URI), or a Keras
    ``.h5`` file;
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

        place = weights or controller or self._shipped
        found = network(place, digest(place))

        def begin(run: Run, epochs: int) -> Controller:
            warnings.simplefilter("ignore", RecoveryWarning)  # the decisions tell: they are in the results
            more: dict[str, Any] = {"total_calls": epochs} if self.anneal else {}
            more["verbose"] = False
            more["rollback"] = self.rollback
            if self.rollback:
                more["model"] = run.model
            return Controller(run.optimizer, network=found, policy=self.policy, period=period, **more)

        method = Controlled(controller=begin)
        if not self.searched:
            return method
        from arc.methods.step_sampling import StepSampling

        return StepSampling(then=method)

    @property
    def _shipped(self) -> str | None:
        return str(files.paper()) if self.policy == "paper" else None

    def identity(self, *, controller: str | None = None, weights: str | None = None, **_: Any) -> Any:
        """What decides a run beyond the method's name and plain options: the weights and the rules."""
        found = {"weights": digest(weights or controller or self._shipped), "code": code_digest()}
        return found | {"policy": asdict(policies.get(self.policy))}


def digest(place: str | None) -> str:
    """A hash of the weights of a controller directory or of a Keras file."""
    place = place or str(files.PRETRAINED)
    if ".h5" in place:
        check_local("weights", place)
    file = place if place.endswith(".h5") else join(place, files.WEIGHTS)
    if not exists(file):
        raise InputError(f"no file {file}; name a controller directory (controller=) or an .h5 (weights=)")
    return hashlib.sha256(read_bytes(file)).hexdigest()[:16]


@functools.lru_cache(maxsize=16)
def network(place: str | None, digest: str) -> Network | Estimator:
    """The network of a controller directory or of a Keras file, once per content; it keeps no state."""
    if place and place.endswith(".h5"):
        return import_keras(place)
    return files.load(None if place is None else folders.here(place))


@functools.cache
def code_digest() -> str:
    """A hash of the controller's code and of what it imports of ``arc``, docstrings and comments left out.

    A change of the rules makes other runs; a change of words does not.
    """
    folder, todo, done = Path(arc.__file__).parent, ["controller"], dict[str, str]()
    while todo:
        name = todo.pop()
        file = folder / f"{name.replace('.', '/')}.py"
        if name in done or not file.is_file():
            continue
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "arc":
                inner = node.module.partition(".")[2]
                todo += [inner] if inner else [alias.name for alias in node.names]
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                node.body = node.body[1:]
        done[name] = ast.dump(tree)
    return hashlib.sha256(repr(sorted(done.items())).encode()).hexdigest()[:16]
