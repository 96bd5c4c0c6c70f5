"""From nothing to a controlled training in minutes: the four stages at a smoke size, then your own loop.

Run it with ``make demo``. Everything lands in ``runs/demo``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import arc
import arc.weights

STAGES = {
    "data_gen": (
        "task=[svhn_vgg,imdb_lstm,shakespeare_gru] runs=6 max_period=2 cycles=6 optimizers=[adam,sgd] "
        "out={out}/trials"
    ),
    "data_gen.label": "trials={out}/trials out={out}/samples",
    "training": "samples={out}/samples out={out}/candidates candidates=2 epochs=80 lr=1e-3",
    "proxy_eval": (
        "candidates={out}/candidates out={out}/controller runs={out}/proxy "
        "task=svhn_wrn lr0=[1e-2,1e-4] repeats=1 epochs=12 period=2"
    ),
}
Split = tuple[Tensor, Tensor]


def run_stages(out: Path) -> None:
    """Trials -> samples -> candidates -> controller, each as a user types it."""
    for stage, arguments in STAGES.items():
        command = ["-m", stage, *arguments.format(out=out).split()]
        print(f"\n$ python {' '.join(command)}", flush=True)
        subprocess.run([sys.executable, *command], check=True)


def digits() -> tuple[Split, Split]:
    """Scikit-learn's 1,797 handwritten digits, 8 x 8 pixels: 1,200 to train on, the rest to validate."""
    data = load_digits()
    images = torch.tensor(data.images / 16.0, dtype=torch.float32)[:, None]
    labels = torch.tensor(data.target)
    return (images[:1200], labels[:1200]), (images[1200:], labels[1200:])


def train(controlled: Path | str | None, epochs: int, lr: float) -> list[dict[str, Any]]:
    """An ordinary training loop with the three lines that a controller needs.

    Args:
        controlled: a controller directory, ``shipped``, or None for a constant LR.
        epochs: of the training.
        lr: the initial LR.

    Returns:
        A row per epoch: LR, losses, accuracy, decision.
    """
    torch.manual_seed(0)
    (images, labels), (val_images, val_labels) = digits()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(16 * 64, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    controller = None
    if controlled is not None:
        network = arc.weights.load(None if controlled == "shipped" else controlled)
        controller = arc.Controller(optimizer, network=network, total_calls=epochs, verbose=False)  # 1
    rows = []
    for _ in range(epochs):
        lr_in_force = optimizer.param_groups[0]["lr"]
        model.train()
        total = 0.0
        for batch in torch.randperm(len(images)).split(32):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            if controller is not None:
                controller.record(loss)  # 2
            total += loss.item() * len(batch)
        model.eval()
        with torch.no_grad():
            logits = model(val_images)
        val_loss = nn.functional.cross_entropy(logits, val_labels).item()
        decision = None if controller is None else controller.step(val_loss=val_loss)  # 3
        accuracy = (logits.argmax(1) == val_labels).float().mean().item()
        rows.append({"lr": lr_in_force, "train": total / len(images), "val": val_loss, "accuracy": accuracy})
        rows[-1]["decision"] = decision
    return rows


def print_run(name: str, rows: list[dict[str, Any]]) -> None:
    """What the controller decided, and how the training ended."""
    print(f"\n{name}", flush=True)
    for row in rows:
        if row["decision"] is not None and row["decision"].multiplier != 1:
            print(f"  {row['decision']}")
    print(f"  ends with validation loss {rows[-1]['val']:.3f}, accuracy {rows[-1]['accuracy']:.1%}")


def draw(runs: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """LR and validation loss over the epochs, one line for each training."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (top, bottom) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 6), layout="constrained")
    for (name, rows), colour in zip(runs.items(), ("#0072B2", "#009E73", "#999999"), strict=True):
        epochs = range(1, len(rows) + 1)
        top.step(epochs, [row["lr"] for row in rows], where="post", color=colour, label=name)
        bottom.plot(epochs, [row["val"] for row in rows], color=colour)
    top.set(yscale="log", ylabel="learning rate", title="A CNN on handwritten digits, from an LR far too low")
    bottom.set(xlabel="epoch", ylabel="validation loss", yscale="log")
    figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=len(runs))
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.savefig(path, dpi=120)


def main() -> None:
    """The whole demo; ``--out``, ``--epochs`` and ``--lr`` change it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="directory of all results")
    parser.add_argument("--epochs", type=int, default=30, help="of the trainings")
    parser.add_argument("--lr", type=float, default=3e-5, help="their initial LR, deliberately bad")
    arguments = parser.parse_args()
    began = time.monotonic()
    run_stages(arguments.out)
    print(f"\nA CNN on digits, Adam, initial LR {arguments.lr:g}, {arguments.epochs} epochs:")
    asked = {"the shipped controller": "shipped", "the one just made": arguments.out / "controller"}
    runs = {name: train(place, arguments.epochs, arguments.lr) for name, place in asked.items()}
    runs["constant LR"] = train(None, arguments.epochs, arguments.lr)
    for name, rows in runs.items():
        print_run(name, rows)
    figure = arguments.out / "figure.png"
    draw(runs, figure)
    print(f"\nFigure: {figure}   Controller: {arguments.out}/controller   {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
