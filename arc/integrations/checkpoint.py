"""A controller in ``torch.distributed.checkpoint``."""

from __future__ import annotations

import io
from typing import Any

import torch

from arc.controller import Controller
from arc.tensors import rank


class RankState:
    """A controller's state of this rank, as ``torch.distributed.checkpoint`` takes it (its ``Stateful``).

    A distributed checkpoint wants the same keys and shapes in what it loads as in what is there, and writes
    what several ranks hold under one key only once. A controller's state grows, and every rank has the
    sketches and copies of its own shards: so it is one entry of each rank, under a key with its number.

    Args:
        controller: the one of this rank.

    Example::

        state = {"model": weights, "optimizer": states, "controller": RankState(controller)}
        dcp.save(state, checkpoint_id="checkpoint")
        dcp.load(state, checkpoint_id="checkpoint")  # on as many ranks
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._key = f"rank{rank()}"

    def state_dict(self) -> dict[str, Any]:
        """One entry, of bytes."""
        file = io.BytesIO()
        torch.save(self._controller.state_dict(), file)
        return {self._key: file.getvalue()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`.

        Raises:
            ValueError: the state of other ranks, or none of a controller.
        """
        if self._key not in state:
            raise ValueError(f"got the states of {sorted(state)}, need that of {self._key}")
        saved = torch.load(io.BytesIO(state[self._key]), map_location="cpu", weights_only=True)
        self._controller.load_state_dict(saved)
