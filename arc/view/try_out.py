"""The shipped controller against a constant LR on a tiny real training: characters of Python's own manual."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from arc.controller import Controller
from arc.decision import RecoveryWarning
from arc.network import weights
from arc.view.progress_bar import Bar
from arc.view.replay import table, width

SWEPT = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Initial LRs that are tried."""
CONTEXT, ROWS, BATCH = 12, 6000, 100
"""Characters that the net sees, windows of an epoch, windows of a batch."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Validation loss and LR of every epoch, and the controller if there was one."""

    val_loss: list[float]
    lr: list[float]
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
        controller = Controller(optimizer, network=network, total_calls=epochs, verbose=False)
    val_losses, lrs = [], []
    for _ in range(epochs):
        lrs.append(float(optimizer.param_groups[0]["lr"]))
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
    return Outcome(val_loss=val_losses, lr=lrs, controller=controller)


def compare(
    *,
    lrs: Sequence[float],
    epochs: int,
    path: str | Path | None,
    figure: Path | None,
    say: Callable[[str], None],
) -> None:
    """Train twice from each LR, say how it went, draw it; of a single LR every decision is said."""
    say(
        f"next characters of Python's manual, Adam, {epochs} epochs, from {len(lrs)} LR{'s' * (len(lrs) > 1)}"
    )
    tick = Bar(2 * epochs * len(lrs), "try", "epochs").tick
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # nets this small gain nothing by more, and lose much where cores are busy
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecoveryWarning)  # the table and the figure show the ways back
            constant, driven = (
                [run(lr=lr, epochs=epochs, path=path, controlled=controlled, tick=tick) for lr in lrs]
                for controlled in (False, True)
            )
    finally:
        torch.set_num_threads(threads)
    if len(lrs) == 1 and driven[0].controller is not None:
        say(table(driven[0].controller.decisions, width=width()))
    say(f"{'LR':>8}{'constant':>12}{'ARC':>12}    validation loss at the end, lower is better")
    for lr, alone, arc in zip(lrs, constant, driven, strict=True):
        say(f"{lr:>8.0e}{alone.val_loss[-1]:>12.3f}{arc.val_loss[-1]:>12.3f}")
    if figure is not None:
        draw(lrs, constant, driven, figure)
        say(f"figure: {figure}")


def draw(lrs: Sequence[float], constant: list[Outcome], driven: list[Outcome], path: Path) -> None:
    """What the trainings end with over their initial LR, and the LRs that ARC went through."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for outcomes, name, style in ((constant, "constant LR", "o--"), (driven, "ARC", "o-")):
        colour = "#999999" if outcomes is constant else "#0072B2"
        left.plot(lrs, [o.val_loss[-1] for o in outcomes], style, color=colour, label=name)
        for outcome in outcomes:
            right.plot(range(1, len(outcome.lr) + 1), outcome.lr, style[1:], color=colour, linewidth=1)
    left.set(xscale="log", yscale="log", xlabel="initial LR", ylabel="validation loss at the end")
    right.set(yscale="log", xlabel="epoch", ylabel="LR")
    left.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.savefig(path, dpi=120)


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
