"""From nothing to a controlled training in minutes: the four stages at a smoke size, then your own loop.

Run it with ``make demo``. Everything lands in ``runs/demo``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import arc

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


def train(controller_path: Path, epochs: int, lr: float) -> tuple[arc.Controller, list[dict[str, float]]]:
    """An ordinary training loop with the three lines that a controller needs."""
    torch.manual_seed(0)
    (images, labels), (val_images, val_labels) = digits()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(16 * 64, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    controller = arc.Controller.from_pretrained(controller_path, optimizer, period=3)  # 1
    rows = []
    for epoch in range(1, epochs + 1):
        lr_in_force = optimizer.param_groups[0]["lr"]
        model.train()
        total = 0.0
        for batch in torch.randperm(len(images)).split(32):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            controller.record(loss)  # 2
            total += loss.item() * len(batch)
        model.eval()
        with torch.no_grad():
            logits = model(val_images)
        val_loss = nn.functional.cross_entropy(logits, val_labels).item()
        decision = controller.step(val_loss=val_loss)  # 3
        accuracy = (logits.argmax(1) == val_labels).float().mean().item()
        rows.append({"lr": lr_in_force, "train": total / len(images), "val": val_loss, "accuracy": accuracy})
        print_row(epoch, rows[-1], decision)
    return controller, rows


def print_row(epoch: int, row: dict[str, float], decision: arc.Decision | None) -> None:
    """One line of the table: what the controller saw and what it decided."""
    if epoch == 1:
        print(
            f"\n{'epoch':>5} {'LR':>9} {'train loss':>11} {'val loss':>9} {'accuracy':>9}  "
            f"{'action':<7} raise keep lower"
        )
    shown = f"{epoch:>5} {row['lr']:>9.2e} {row['train']:>11.4f} {row['val']:>9.4f} {row['accuracy']:>9.3f}"
    if decision is not None:
        shown += f"  {decision.action.label:<7} " + " ".join(f"{p:5.2f}" for p in decision.probabilities)
    print(shown, flush=True)


def draw(rows: list[dict[str, float]], controller: arc.Controller, path: Path) -> None:
    """LR and losses over the epochs, decisions marked."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    epochs = range(1, len(rows) + 1)
    figure, (top, bottom) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 6), layout="constrained")
    top.step(epochs, [row["lr"] for row in rows], where="post", color="#0072B2")
    top.set(yscale="log", ylabel="learning rate", title="A training on digits under the demo's controller")
    markers = {arc.Action.RAISE: "^", arc.Action.KEEP: "o", arc.Action.LOWER: "v"}
    for action, marker in markers.items():
        chosen = [d for d in controller.decisions if d.action == action]
        where = [(d.epoch + 1, d.lr_after[0]) for d in chosen]  # in force from the next epoch on
        top.plot(*zip(*where, strict=True), marker, label=action.label) if where else None
    top.legend(title="decision")
    bottom.plot(epochs, [row["train"] for row in rows], label="training", color="#0072B2")
    bottom.plot(epochs, [row["val"] for row in rows], label="validation", color="#D55E00")
    bottom.set(xlabel="epoch", ylabel="loss", yscale="log")
    bottom.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """The whole demo; ``--out``, ``--epochs`` and ``--lr`` change it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="directory of all results")
    parser.add_argument("--epochs", type=int, default=30, help="of the training under the controller")
    parser.add_argument("--lr", type=float, default=3e-5, help="its initial LR, deliberately bad")
    arguments = parser.parse_args()
    began = time.monotonic()
    run_stages(arguments.out)
    print(f"\nA CNN on digits, Adam, initial LR {arguments.lr:g}, under {arguments.out}/controller:")
    controller, rows = train(arguments.out / "controller", arguments.epochs, arguments.lr)
    figure = arguments.out / "figure.png"
    draw(rows, controller, figure)
    print(f"\nFigure: {figure}   Controller: {arguments.out}/controller   {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
