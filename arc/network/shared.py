"""A controller's network, read from and written to a directory or the Hugging Face hub."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import torch

from arc.network import weights
from arc.network.estimator import Estimator
from arc.network.network import Network

CARD: Final = """# ARC controller

Weights of a network that was given to `arc.Controller(optimizer, network=...)`.
"""


class Shared:
    """What of a controller can be shared: its network, without the run's state."""

    _network: Network | Estimator

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
            path: a directory, or ``owner/name`` on the hub (needs ``pip install arc-lr[hub]``).
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
        """Put the network on the Hugging Face hub (``pip install arc-lr[hub]``, ``hf auth login``).

        Args:
            name: ``owner/name``; the repository is made if need be.
            card: as for :meth:`save_pretrained`.
            private: whether a new repository is.
            message: of the commit.

        Returns:
            The repository's address.
        """
        from arc.network import hub

        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "controller"
            self.save_pretrained(made, card=card)
            return hub.push(made, name, private=private, message=message)
