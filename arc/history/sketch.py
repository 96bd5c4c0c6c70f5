"""A sketch of the trained parameters: enough to tell how they move, in place of copies of them.

A tensor, flattened and cut into rows of :data:`COLUMNS` numbers, is sketched by the sums of the columns
with random signs (:mod:`arc.history.folding`). The sketch is linear, so the sketch of a change is the change
of the sketch, and E |s(p)|^2 = |p|^2, E <s(p), s(q)> = <p, q>. A tensor of at most :data:`COLUMNS` numbers
is its own sketch.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from arc.history.folding import COLUMNS, Folding, on_device
from arc.history.movement import Movement
from arc.history.sums import Sums
from arc.history.trail import Trail, on_host
from arc.history.weights import Weight, parameters_of, weights_of
from arc.tensors import rank

__all__ = ["COLUMNS", "Sketches", "parameters_of"]


class Sketches:
    """Follows the trained parameters of optimizers from call to call.

    The parameters are read once a call, on their devices, and nothing else of the training is looked at.
    Half-precision ones are read where the optimizer keeps their float32 values, if it does
    (:data:`~arc.history.weights.MASTERS`).

    Parameters may come (``add_param_group``, a lazy layer's first batch), vanish and change their shape:
    what is new begins with its first call, the others go on. A tensor that may not move (frozen, or in a
    group at LR 0) and did not is left out of a call's numbers.

    In a distributed run each rank sees its own shards of sharded parameters (DTensor, ``fully_shard``), with
    signs of its own. Its sums are multiplied by the number of shards, so that the *mean over the ranks* is
    the sum over all shards, and replicated parameters need no distinction:
    ``Sums.mean(rows of all ranks).movement()``, a row being ``sketches.sums.packed()``
    (:func:`arc.history.ranks.over_ranks` does it).

    Needs torch parameters: where :func:`parameters_of` is empty (Keras on JAX) there is nothing to follow.

    Args:
        optimizers: torch optimizers; their parameters as they are now are the start, theta_0.

    Example:
        >>> layer = torch.nn.Linear(2000, 20)
        >>> sketches = Sketches([torch.optim.SGD(layer.parameters(), lr=0.1)])
        >>> layer.weight.data += torch.randn(20, 2000, generator=torch.Generator().manual_seed(0))
        >>> values = sketches.take()  # on the device: nothing waits
        >>> movement = sketches.movement(values.cpu())
        >>> abs(movement.step / 40000**0.5 - 1) < 0.1
        True
    """

    def __init__(self, optimizers: Sequence[Any]) -> None:
        self._optimizers = list(optimizers)
        self._folding = Folding()
        self._constants: dict[str, tuple[Hashable, Tensor]] = {}
        self.restart()

    @torch.no_grad()
    def restart(self) -> None:
        """The present parameters are the start, from which distances are counted."""
        self._weights: list[Weight] = []
        self._trail = Trail(torch.zeros((0, COLUMNS), dtype=torch.float32, device="cpu"))
        self._now()
        self.sums: Sums | None = None
        """What :meth:`movement` last read, tensor by tensor; None before the first call."""

    @torch.no_grad()
    def jumped(self) -> None:
        """Parameters were set from outside, to a state that they once had: no call moved them there."""
        self._trail.jumped(self._now())

    @torch.no_grad()
    def take(self) -> Tensor:
        """End a call: the sums that tell its change, on the parameters' device, which may still compute them.

        Returns:
            float32, the fields of :class:`~arc.history.sums.Sums` x tensors.
        """
        now = self._now()
        sums = self._trail.after(now)
        sums = sums.masked_fill((sums[0] == 0) & self._held(now.device), 0.0)
        shards = [weight.shards for weight in self._weights]
        return (
            sums * self._constant("shards", shards, torch.float32, now.device)
            if max(shards, default=1) > 1
            else sums
        )

    def movement(self, values: Tensor | None = None) -> Movement:
        """What a call did to the weights, on this rank.

        Args:
            values: what :meth:`take` returned, best on the host by now; None ends the call and waits.
        """
        self.sums = on_host(self.take() if values is None else values)
        return self.sums.movement()

    @property
    def parts(self) -> Sums | None:
        """What the last movement was made of, where ranks hold parts of weights; None where each has all."""
        return self.sums if any(weight.shards > 1 for weight in self._weights) else None

    def lrs(self) -> npt.NDArray[np.float64]:
        """The LR of each tensor of the last call; 0 for frozen ones and where precision rounds steps away."""
        tells = [id(w.group) if w.parameter.requires_grad and not w.coarse else 0 for w in self._weights]
        groups = {key: w.group for key, w in zip(tells, self._weights, strict=True) if key}
        lrs = {key: float(group["lr"]) for key, group in groups.items()}  # an LR on a device is read once
        return np.array([lrs.get(key, 0.0) for key in tells], dtype=np.float64)

    def _now(self) -> Tensor:
        """The sketches at present; the trail has the same rows afterwards."""
        weights = weights_of(self._optimizers, self._weights)
        now = self._folding.matrix(weights)
        rows = _rows(self._weights, weights)
        if rows != list(range(len(self._weights))) or now.device != self._trail.device:
            self._trail.follow(rows, now)
            self._folding.forget(weights)
        self._weights = weights
        return now

    def _held(self, device: torch.device) -> Tensor:
        """Which tensors may not move: frozen, or at LR 0. LRs on a device are looked at there."""
        lrs = [weight.group.get("lr") for weight in self._weights]
        held = [
            not weight.parameter.requires_grad or (lr is not None and not _on_device(lr) and float(lr) == 0)
            for weight, lr in zip(self._weights, lrs, strict=True)
        ]
        found = self._constant("held", held, torch.bool, device)
        tensors = {id(lr): lr for lr in lrs if lr is not None and _on_device(lr)}
        if tensors:
            order = {key: i for i, key in enumerate(tensors, start=1)}
            zero = [(lr.detach().reshape(()) == 0).to(device) for lr in tensors.values()]
            which = self._constant("lrs", [order.get(id(lr), 0) for lr in lrs], torch.int64, device)
            found = found | torch.stack([torch.zeros_like(zero[0]), *zero])[which]
        return found

    def _constant(self, name: str, values: list[Any], dtype: torch.dtype, device: torch.device) -> Tensor:
        """The values on the device: copied there only when they are others than at the call before."""
        key = (tuple(values), device)
        if name not in self._constants or self._constants[name][0] != key:
            self._constants[name] = key, on_device(torch.tensor(values, dtype=dtype, device="cpu"), device)
        return self._constants[name][1]

    # -- saving and loading ----------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Plain types and tensors on the host: at most 16 kB for each parameter tensor.

        Of sharded parameters it is this rank's: every rank saves its own.
        """
        places = [[*weight.place] for weight in self._weights]
        shapes = [[*weight.shape] for weight in self._weights]
        return {"rank": rank(), "places": places, "shapes": shapes, **self._trail.state_dict()}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Go on from :meth:`state_dict`; tensors of other places or shapes begin here, all where it is None.

        So do sharded ones where the state is another rank's: their signs were others.
        """
        self.restart()
        if state is None or state["start"].shape[1] != COLUMNS:
            return
        saved = zip(state["places"], state["shapes"], strict=True)
        known = {(tuple(place), tuple(shape)): row for row, (place, shape) in enumerate(saved)}
        mine = state["rank"] == rank()
        rows = [known.get((w.place, w.shape)) if mine or w.shards == 1 else None for w in self._weights]
        now = self._trail.last
        self._trail.load_state_dict(state)
        self._trail.follow(rows, now)


def _rows(before: list[Weight], weights: list[Weight]) -> list[int | None]:
    """For each tensor its row before; None where it is new, or of another place (other signs) or shape."""
    rows = {_identity(weight): row for row, weight in enumerate(before)}
    return [rows.get(_identity(weight)) for weight in weights]


def _identity(weight: Weight) -> Hashable:
    return id(weight.parameter), weight.place, weight.shape, weight.shards


def _on_device(lr: Any) -> bool:
    return isinstance(lr, Tensor) and lr.device.type != "cpu"
