"""What of a controller goes into files: its network, to be shared; its state, to resume; its figure."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import torch

from arc.decision import Decision
from arc.history.course import Course
from arc.network import weights
from arc.network.estimator import Estimator
from arc.network.network import Network
from arc.view.plot import LogRow, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from arc.controlled_run import ControlledRun
    from arc.optimizers.handle import Optimizers

CARD: Final = """# ARC controller

Weights of a network that was given to `arc.Controller(optimizer, network=...)`.
"""


VERSION: Final = 6
"""Of a controller's saved state."""


class Saved:
    """A controller's network, shared without the run's state; the state; and the run as a figure."""

    optimizers: tuple[torch.optim.Optimizer, ...]
    decisions: list[Decision]
    _network: Network | Estimator
    _run: ControlledRun
    _steering: Optimizers
    _log: list[LogRow]
    _records: int
    _skip: float

    if TYPE_CHECKING:

        def __init__(self, optimizer: Any, **settings: Any) -> None: ...

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
        *,
        revision: str | None = None,
        **settings: Any,
    ) -> Self:
        """A controller with the network of a controller directory, or of one on the Hugging Face hub.

        Args:
            path: a directory, or ``owner/name`` on the hub (needs ``pip install 'arc-lr[hub]'``).
            optimizer: as for the class.
            revision: branch, tag or commit on the hub; a commit gives the same network for ever.
            settings: as for the class.

        Raises:
            WeightsError: nothing usable there; the message says what was tried.
        """
        from arc.network import hub

        return cls(optimizer, network=weights.load(hub.folder(path, revision=revision)), **settings)

    def save_pretrained(self, directory: str | Path, *, card: str | None = None) -> None:
        """Write the network as a controller directory, for :meth:`from_pretrained`; not the run's state.

        Args:
            directory: replaced if it exists (ValueError if it holds other files).
            card: the model card, Markdown; by default the one that the network came with.
        """
        config, known = self._network.about or ({}, CARD)
        weights.save(self._network, directory, config, known if card is None else card)

    def push_to_hub(
        self, name: str, *, card: str | None = None, private: bool = False, message: str = "ARC controller"
    ) -> str:
        """Put the network on the Hugging Face hub (``pip install 'arc-lr[hub]'``, ``hf auth login``).

        Args:
            name: ``owner/name``; the repository is made if need be.
            card: as for :meth:`save_pretrained`.
            private: whether a new repository is.
            message: of the commit.

        Returns:
            The address of the commit.
        """
        from arc.network import hub

        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "controller"
            self.save_pretrained(made, card=card)
            return hub.push(made, name, private=private, message=message)

    def state_dict(self) -> dict[str, Any]:
        """Plain types and tensors, for ``torch.load(..., weights_only=True)``.

        The LRs are in the optimizers' states, saved and loaded beside this one. With ``rollback=True`` the
        copies of model and optimizer are part of it.
        """
        return {
            "version": VERSION,
            "groups": self._groups,
            "lrs": list(self._steering.left),
            "records": self._records,
            "skip": self._skip,
            "decider": _of_run(self._run),
            "log": [list(entry) for entry in self._log],
            "decisions": [d.as_dict() for d in self.decisions],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`; the same decisions follow as without the interruption.

        Raises:
            ValueError: no such state, another version, another number of parameter groups.
        """
        _check(state, self._groups)
        before = self.state_dict()
        try:
            self._load(state)
        except Exception as error:
            self._load(before)
            raise ValueError(f"the controller's state is incomplete or damaged: {error!r}") from error

    @property
    def _groups(self) -> list[int]:
        return [len(one.param_groups) for one in self.optimizers]

    def _load(self, state: dict[str, Any]) -> None:
        self._records, self._skip = int(state["records"]), float(state["skip"])
        self._log = [LogRow(*entry) for entry in list[Any](state["log"])]
        self.decisions = [Decision.from_dict(d) for d in list[Any](state["decisions"])]
        _load_run(self._run, state["decider"])
        if "lrs" in state:  # the optimizers' states may be loaded before or after this one
            self._steering.left = tuple(map(float, state["lrs"]))

    def plot(self, path: str | Path | None = None) -> Figure:
        """LR, losses and actions so far on one figure (needs ``pip install 'arc-lr[plot]'``).

        Args:
            path: where to write the figure as well; None writes nothing.
        """
        return draw(self._log, self.decisions, path)


def _of_run(run: ControlledRun) -> dict[str, Any]:
    return {
        "epoch": run.epoch,
        "history": run.history.state_dict(),
        "sketches": None if run.sketches is None else run.sketches.state_dict(),
        "told": sorted(run.notices.told),
        "course": run.course.state_dict(),
        "course_kept": run.course_kept.state_dict(),
        **run.recovery.state_dict(),
    }


def _load_run(run: ControlledRun, state: dict[str, Any]) -> None:
    run.epoch = int(state["epoch"])
    run.history.load_state_dict(state["history"])
    run.notices.told = set(state["told"])
    run.course = Course.from_state(state["course"])
    run.course_kept = Course.from_state(state.get("course_kept", state["course"]))
    if run.sketches is not None:
        run.sketches.load_state_dict(state["sketches"])
    run.recovery.load_state_dict(state)


def _check(state: Any, groups: list[int]) -> None:
    """ValueError unless ``state`` is of this version, and of optimizers with so many groups each."""
    version = state.get("version") if isinstance(state, dict) else None
    if not isinstance(version, int) or version != VERSION:
        raise ValueError(f"got {state!r:.60}, need a state of an arc.Controller, version {VERSION}")
    saved = state.get("groups")
    if saved != groups:
        there = " + ".join(f"{count!r:.20}" for count in (saved if isinstance(saved, list) else [saved]))
        here = " + ".join(map(str, groups))
        raise ValueError(
            f"got a state with {there} parameter groups for an optimizer with {here}; build the optimizers "
            "with the same groups and in the same order, or start with a new controller"
        )
