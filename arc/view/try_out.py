"""The shipped controller against a constant LR on a tiny real training: characters of Python's own manual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from arc.controller import Controller
from arc.network import weights
from arc.view.bar import Bar
from arc.view.replay import table, width

CONTEXT, ROWS, BATCH = 12, 6000, 100
"""Characters that the net sees, windows of an epoch, windows of a batch."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Validation loss of every epoch, and the controller if there was one."""

    val_loss: list[float]
    controller: Controller | None


def run(
    *, lr: float, epochs: int, path: str | Path | None, controlled: bool, tick: Callable[[], None]
) -> Outcome:
    """One training of a next-character network with Adam; ``tick`` is called after every epoch."""
    train, val, letters = _text()
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Embedding(letters, 16),
            nn.Flatten(),
            nn.Linear(16 * CONTEXT, 64),
            nn.ReLU(),
            nn.Linear(64, letters),
        )
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    controller = None
    if controlled:
        network = weights.load(path)
        controller = Controller(
            optimizer, network=network, model=net, rollback=True, total_calls=epochs, verbose=False
        )
    val_losses = []
    for _ in range(epochs):
        for rows in torch.randperm(len(train), generator=generator)[:ROWS].split(BATCH):
            loss = _loss(net, train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if controller is not None:
                controller.record(loss)
        with torch.no_grad():
            val_losses.append(_loss(net, val).item())
        if controller is not None:
            controller.step(val_loss=val_losses[-1])
        tick()
    return Outcome(val_loss=val_losses, controller=controller)


def compare(
    *, lr: float, epochs: int, path: str | Path | None, figure: Path | None, say: Callable[[str], None]
) -> None:
    """Train twice from the same weights, say how it went, draw it."""
    say(f"next characters of Python's manual, Adam, LR {lr:g}, {epochs} epochs, twice")
    tick = Bar(2 * epochs, "try", "epochs").tick
    constant = run(lr=lr, epochs=epochs, path=path, controlled=False, tick=tick)
    driven = run(lr=lr, epochs=epochs, path=path, controlled=True, tick=tick)
    assert driven.controller is not None
    say(table(driven.controller.decisions, width=width()))
    say(f"validation loss: constant LR {min(constant.val_loss):.4f}, ARC {min(driven.val_loss):.4f}")
    if figure is None:
        return
    drawn = driven.controller.plot()
    axes = drawn.axes[1]
    axes.plot(range(1, epochs + 1), constant.val_loss, "--", label="validation loss, constant LR")
    axes.legend()
    drawn.savefig(figure)
    say(f"figure: {figure}")


def _text() -> tuple[Tensor, Tensor, int]:
    """Characters with their successor: training from the first topics, validation from the last."""
    from pydoc_data.topics import topics

    text = "\n".join(topics[key] for key in sorted(topics))
    alphabet = sorted(set(text))
    index = {letter: i for i, letter in enumerate(alphabet)}
    codes = torch.tensor([index[letter] for letter in text])
    windows = codes.unfold(0, CONTEXT + 1, 1)
    cut = len(windows) * 3 // 4
    return windows[:cut], windows[cut:][:: (len(windows) - cut) // 2000], len(alphabet)


def _loss(net: nn.Module, windows: Tensor) -> Tensor:
    return nn.functional.cross_entropy(net(windows[:, :-1]), windows[:, -1])
