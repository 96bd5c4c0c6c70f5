"""One candidate: the network, fitted to labelled windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from arc.network.network import Network
from tasks.base import Stateful
from tasks.seeding import derive
from tasks.work.tensorboard import Log, no_log
from training import fast
from training.config import TrainingConfig
from training.dataset import Samples
from training.distill import taught
from training.loss import hybrid_loss
from training.metrics import measure
from training.targets import hard
from training.unfinished import Unfinished

EVALUATE_EVERY: Final = 5
"""Epochs from one look at the held-out samples to the next, which costs a tenth of an epoch."""


def fit(
    train: Samples,
    held: Samples,
    config: TrainingConfig,
    *,
    seed: int,
    device: str = "cpu",
    tick: Callable[[], None] = lambda: None,
    log: Log = no_log,
    unfinished: Unfinished | None = None,
) -> tuple[Network, list[dict[str, Any]]]:
    """Train one network.

    Args:
        train, held: training and held-out samples.
        config: the recipe.
        seed: of initial weights, order and blanking.
        device: where to train.
        tick: called after every epoch.
        log: takes every epoch's losses, and its metrics where it has them.
        unfinished: where to go on, and to save; None: from the start, and nowhere.

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
    windows, targets = train.windows.to(device), _targets(train, config, device).to(device)
    steps = config.epochs * math.ceil(len(train) / config.batch_size)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    forward = fast.forward(device)
    half = config.precision == "bfloat16"
    unfinished = unfinished or Unfinished()
    parts: dict[str, Stateful] = {"network": network, "optimizer": optimizer, "cosine": cosine}
    history = unfinished.restore(parts, generator)
    for entry in history:
        log(entry["epoch"], entry)
    for epoch in unfinished.epochs(config.epochs, tick):
        network.train()
        losses = torch.zeros((), device=device)
        for rows in torch.randperm(len(train), generator=generator).split(config.batch_size):
            seen = torch.rand(len(rows), generator=generator) >= config.blank
            batch = blanked(windows[rows], seen)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=half):
                logits = forward(network, batch)
            loss = hybrid_loss(logits.float(), targets[seen.long(), rows], config.binary)
            loss.backward()
            optimizer.step()
            if config.schedule == "cosine":
                cosine.step()
            losses += loss.detach() * len(rows)
        history.append({"epoch": epoch, "train_loss": losses.item() / len(train)})
        if epoch % EVALUATE_EVERY == 0 or epoch == config.epochs:
            history[-1] |= evaluate(network, held, device)
        log(epoch, history[-1])
    return network.cpu().eval(), history


def blanked(windows: Tensor, seen: Tensor) -> Tensor:
    """A copy in which the validation channel of those that are not ``seen`` (bool, (batch,)) is 0.

    So the controller learns to work without validation, too. Source: the public code of ARC (2021).
    """
    copy = windows.clone()
    copy[:, :, 1] *= seen.to(windows.device, windows.dtype)[:, None]
    return copy


def evaluate(network: Network, held: Samples, device: str = "cpu") -> dict[str, Any]:
    """Held-out loss and metrics, with the validation channel; and accuracy without it."""
    network.eval()
    logits = fast.answers(network, held.windows, device)
    without = fast.answers(network, held.windows, device, seen=0.0)
    loss = float(hybrid_loss(logits, hard(held.labels)))
    labels = held.labels.numpy()
    accuracy = float((without.argmax(1).numpy() == labels).mean())
    return {"val_loss": loss, "accuracy_without_val": accuracy} | measure(
        logits.double().softmax(1).numpy(), np.asarray(labels), held.losses.numpy()
    )


def _targets(train: Samples, config: TrainingConfig, device: str) -> Tensor:
    """(2, N, 3): of the windows without and with their validation channel."""
    if config.teachers is not None:
        return taught(train.windows, config.teachers, device)
    targets = train.soft if config.targets == "soft" else hard(train.labels)
    return targets.expand(2, -1, -1)
