"""One candidate of the network that sees movement, fitted to observations."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from arc.history.observation import LOSSES, MOVEMENT, NAMES, VALIDATION
from arc.network.estimator import JOINED, Answer, Estimator
from tasks.base import Stateful
from tasks.seeding import derive
from training.loss import hybrid_loss
from training.observations import Observations
from training.unfinished import Unfinished

BATCH: Final = 256
TIME: Final = tuple(NAMES.index(name) for name in ("timed", "gone"))
JITTER: Final = {
    "cos": 0.02,
    "step": 0.01,
    "away": 0.01,
    "norm": 0.002,
    "tensor_cos": 0.02,
    "tensor_step": 0.01,
}
"""Deviations of noise on the movement's numbers: a live controller has sketches (arc/history/sketch.py)."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What decides a candidate, besides its data and seed.

    Attributes:
        epochs: passes over the observations.
        lr: of Adam; half a cosine down to 0.
        actions: weight of the loss on the actions.
        without_losses, without_val, without_movement, without_time: chances that a training step blanks
            these, so that each may be missing in use.
        dropped: chance of dropout where window and numbers join: without it the spread says less still.
    """

    epochs: int = 20
    lr: float = 2e-3
    actions: float = 0.5
    without_losses: float = 0.1
    without_val: float = 0.4
    without_movement: float = 0.25
    without_time: float = 0.5
    dropped: float = 0.3


def fit(
    train: Observations,
    recipe: Recipe,
    *,
    seed: int,
    tick: Callable[[], None] = lambda: None,
    unfinished: Unfinished | None = None,
) -> Estimator:
    """Train one network.

    The distance is fitted by the likelihood of a Laplace distribution whose scale is the network's own
    ``spread``: so the distance is a median, and the spread an expected absolute error. Tasks count alike,
    however many observations they have.

    Args:
        train: observations; those without a distance teach the actions alone, and the other way round.
        recipe: numbers of the training.
        seed: of initial weights, order, blanking and noise.
        tick: called after every epoch.
        unfinished: where to go on, and to save; None: from the start, and nowhere.
    """
    generator = torch.Generator().manual_seed(derive(seed, "estimator"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "init"))
        network = Estimator()
    windows, numbers = torch.from_numpy(train.windows), torch.from_numpy(train.numbers)
    network.centre.copy_(numbers.mean(0))
    network.scale.copy_(numbers.std(0).clamp(min=0.05))
    distance, soft = torch.from_numpy(train.distance), torch.from_numpy(train.soft)
    weights = torch.from_numpy(_of_tasks(train))
    noise = _jitter()
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.lr, weight_decay=1e-2)
    steps = recipe.epochs * math.ceil(len(train) / BATCH)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    network.train()
    unfinished = unfinished or Unfinished()
    parts: dict[str, Stateful] = {"network": network, "optimizer": optimizer, "cosine": cosine}
    history = unfinished.restore(parts, generator)
    for epoch in unfinished.epochs(recipe.epochs, tick):
        for rows in torch.randperm(len(train), generator=generator).split(BATCH):
            seen = blanked(windows[rows], numbers[rows], recipe, generator, noise)
            kept = torch.rand(len(rows), JOINED, generator=generator) >= recipe.dropped
            answer = network(*seen, kept / (1 - recipe.dropped))
            loss = distance_loss(answer, distance[rows], weights[rows])
            branched = ~soft[rows, 0].isnan()
            if recipe.actions and branched.any():
                loss = loss + recipe.actions * hybrid_loss(answer.logits[branched], soft[rows][branched])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            cosine.step()
        history.append({"epoch": epoch})
    return network.eval()


def distance_loss(answer: Answer, distance: Tensor, weights: Tensor) -> Tensor:
    """Laplace's negative log-likelihood of the known distances, a weighted mean; 0 if none is known."""
    known = ~distance.isnan()
    error = (answer.distance - distance.nan_to_num()).abs()
    nll = error / answer.spread + answer.spread.log()
    weight = weights * known
    return (nll * weight).sum() / weight.sum().clamp(min=1e-6)


def blanked(
    windows: Tensor, numbers: Tensor, recipe: Recipe, generator: torch.Generator, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Copies with noise on the movement, in which whole groups of inputs are missing by chance."""
    moved = torch.where(
        numbers == 0, numbers, numbers + noise * torch.randn(numbers.shape, generator=generator)
    )
    windows, numbers = windows.clone(), moved
    groups = (
        (recipe.without_losses, (0, 1), LOSSES),
        (recipe.without_val, (2,), VALIDATION),
        (recipe.without_movement, (), MOVEMENT),
        (recipe.without_time, (), TIME),
    )
    for chance, channels, names in groups:
        kept = (torch.rand(len(windows), generator=generator) >= chance).float()
        for channel in channels:
            windows[:, :, channel] *= kept[:, None]
        numbers[:, list(names)] *= kept[:, None]
    return windows, numbers


def answers(network: Estimator, observations: Observations) -> Answer:
    """Of all observations, batch by batch."""
    parts = []
    with torch.inference_mode():
        for rows in torch.arange(len(observations)).split(512):
            index = rows.numpy()
            seen = observations.windows[index], observations.numbers[index]
            parts.append(network(*map(torch.from_numpy, seen)))
    return Answer(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _of_tasks(train: Observations) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Weights of mean 1 by which all tasks count alike."""
    names, inverse, counts = np.unique(train.tasks, return_inverse=True, return_counts=True)
    return (len(train) / len(names) / counts[inverse]).astype(np.float32)


def _jitter() -> Tensor:
    deviations = []
    for name in NAMES:
        stem = name.rsplit("_", 1)[0].replace("cos2", "cos")
        deviations.append(JITTER.get(stem, 0.0) if NAMES.index(name) in MOVEMENT else 0.0)
    return torch.tensor(deviations)
