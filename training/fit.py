"""One candidate: the network, fitted to labelled windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from arc.network import Network
from tasks.board import Log, no_log
from tasks.seeding import derive
from training import fast
from training.config import TrainingConfig
from training.dataset import Samples
from training.loss import hybrid_loss
from training.metrics import measure
from training.targets import hard

EVALUATE_EVERY: Final = 5
"""Epochs from one look at the held-out samples to the next, which costs a tenth of an epoch."""
EVALUATION_BATCH: Final = 128
"""Windows of one forward pass; on a CPU, more than fit into its cache are slower."""


def fit(
    train: Samples,
    held: Samples,
    config: TrainingConfig,
    *,
    seed: int,
    device: str = "cpu",
    tick: Callable[[], None] = lambda: None,
    log: Log = no_log,
) -> tuple[Network, list[dict[str, Any]]]:
    """Train one network.

    Args:
        train, held: training and held-out samples.
        config: the recipe.
        seed: of initial weights, order and blanking.
        device: where to train.
        tick: called after every epoch.
        log: takes every epoch's losses, and its metrics where it has them.

    Returns:
        The network after the last epoch (no earlier one is better for the task that it is made for:
        paper, appendix A.1), and one dictionary per epoch with its training loss; every fifth and the
        last one hold the metrics of :func:`evaluate`, too.

    Source: ARC (Dong et al., 2021), section 3.4.
    """
    generator = torch.Generator().manual_seed(derive(seed, "training"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "init"))
        network = Network().to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.lr, betas=(0.9, 0.999), fused=True)
    targets = train.soft if config.targets == "soft" else hard(train.labels)
    windows, targets = train.windows.to(device), targets.to(device)
    steps = config.epochs * math.ceil(len(train) / config.batch_size)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    forward = _forward(device)
    history: list[dict[str, Any]] = []
    for epoch in range(1, config.epochs + 1):
        network.train()
        losses = torch.zeros((), device=device)
        for rows in torch.randperm(len(train), generator=generator).split(config.batch_size):
            batch = blanked(windows[rows], config.blank, generator)
            optimizer.zero_grad(set_to_none=True)
            loss = hybrid_loss(forward(network, batch), targets[rows])
            loss.backward()
            optimizer.step()
            if config.schedule == "cosine":
                cosine.step()
            losses += loss.detach() * len(rows)
        history.append({"epoch": epoch, "train_loss": losses.item() / len(train)})
        if epoch % EVALUATE_EVERY == 0 or epoch == config.epochs:
            history[-1] |= evaluate(network, held, device)
        log(epoch, history[-1])
        tick()
    return network.cpu().eval(), history


def blanked(windows: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """A copy in which each window's validation channel is 0 with the given chance.

    So the controller learns to work without validation, too. Source: the public code of ARC (2021).
    """
    seen = torch.rand(len(windows), generator=generator) >= chance
    copy = windows.clone()
    copy[:, :, 1] *= seen.to(windows.device, windows.dtype)[:, None]
    return copy


def evaluate(network: Network, held: Samples, device: str = "cpu") -> dict[str, Any]:
    """Held-out loss and metrics, with the validation channel; and accuracy without it."""
    network.eval()
    with torch.inference_mode():
        logits = _logits(network, held.windows, device)
        without = _logits(network, held.windows, device, seen=0.0)
    loss = float(hybrid_loss(logits, hard(held.labels)))
    labels = held.labels.numpy()
    accuracy = float((without.argmax(1).numpy() == labels).mean())
    return {"val_loss": loss, "accuracy_without_val": accuracy} | measure(
        logits.double().softmax(1).numpy(), np.asarray(labels), held.losses.numpy()
    )


def _forward(device: str) -> Callable[[Network, Tensor], Tensor]:
    return fast.logits if device == "cpu" else Network.__call__


def _logits(network: Network, windows: Tensor, device: str, *, seen: float = 1.0) -> Tensor:
    """Logits of all windows, batch by batch; ``seen`` multiplies their validation channel."""
    forward, weight = _forward(device), torch.tensor([1.0, seen, 1.0], device=device)
    parts = (part.to(device) * weight for part in windows.split(EVALUATION_BATCH))
    return torch.cat([forward(network, part).cpu() for part in parts])
