"""The guide's pictures, from real runs: python docs/pictures.py [RUN_DIRECTORY]

Writes docs/images/rule_*.png (what follows from what), docs/images/window.png (what the paper's network saw
and answered) and, where a chromium is installed, docs/images/watch_*.png (the page of ``python -m arc
watch``). Run it again when the shipped controller changes.
"""

import json
import math
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import arc
from arc.decision import RecoveryWarning
from arc.view import journal

IMAGES = Path(__file__).parent / "images"
EPOCHS, PERIOD = 36, 3
SHAPES = {"raise": "^", "keep": "o", "lower": "v", "rewind": "X"}
COLORS = {"raise": "#167a3e", "keep": "#6b7482", "lower": "#c22f2f"}
CHROMIUM = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


RULES = {
    "too_low": ("Far too low: one move goes most of the way", 3e-5, 0),
    "too_high": ("A start too high: begin again", 0.3, 0),
    "near": ("Near the best: small moves, and a final anneal", 1e-3, 0),
    "broken": ("Broken weights: the last good ones come back", 1e-3, 15),
}
"""Pictures of the rules: title, LR, and the call after which the weights are spoilt."""


def train(directory: Path, lr: float = 3e-5, spoil: int = 0, **settings: Any) -> arc.Controller:
    """Scikit-learn's digits, a small CNN, Adam; by default an LR that is a hundred times too low."""
    torch.manual_seed(0)
    data = load_digits()
    images = torch.tensor(data.images / 16, dtype=torch.float32)[:, None]
    labels = torch.tensor(data.target)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(16 * 64, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    settings = {"total_calls": EPOCHS, **settings}
    controller = arc.Controller(optimizer, log_dir=directory, verbose=False, **settings)
    for epoch in range(EPOCHS):
        model.train()
        if spoil and epoch == spoil:
            nn.init.constant_(model[-1].weight, math.nan)
        for rows in torch.randperm(1200).split(32):
            loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            controller.record(loss)
        model.eval()
        with torch.no_grad():
            controller.step(val_loss=nn.functional.cross_entropy(model(images[1200:]), labels[1200:]))
    return controller


def draw_rules(directory: Path) -> None:
    """One picture a rule: LR with its decisions, and the validation loss, of a run that it decided."""
    for name, (title, lr, spoil) in RULES.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecoveryWarning)
            controller = train(directory / name, lr, spoil)
        figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(4.5, 3.6), layout="constrained")
        log = journal.read(directory / name).calls
        calls = [call.epoch for call in log]
        above.step(calls, [call.lr for call in log], where="mid", color="#0b62c4")
        for decision in controller.decisions:
            kind = decision.action.label if decision.restored is None else "rewind"
            look = {"marker": SHAPES[kind], "color": COLORS.get(kind, "black"), "markersize": 7}
            above.plot(decision.epoch + 0.5, decision.lr_after[0], linestyle="none", **look)
        below.plot(calls, [call.val_loss for call in log], color="#c4500b")
        above.set_title(title, fontsize=10)
        above.set(yscale="log", ylabel="LR")
        below.set(yscale="log", ylabel="validation loss", xlabel="call of step()")
        below.set_yticks([0.3, 0.5, 1, 2], ["0.3", "0.5", "1", "2"])
        below.minorticks_off()
        for axes in (above, below):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(alpha=0.25)
        figure.savefig(IMAGES / f"rule_{name}.png", dpi=100)
        plt.close(figure)
        print(title, *(d for d in controller.decisions if d.source != "anneal"), sep="\n  ", flush=True)


def draw_window(directory: Path) -> None:
    """The last window of three periods before which the network was asked: its rows, and its answer."""
    rows = [json.loads(line) for line in (directory / "arc.jsonl").read_text().splitlines()[1:]]
    asked = [r["epoch"] for r in rows if "p=" in r.get("decision", {}).get("reason", "")]
    end = next(e for e in reversed(asked) if e >= 3 * PERIOD)
    seen = [rows[i : i + PERIOD] for i in range(end - 3 * PERIOD, end, PERIOD)]
    history = [
        arc.Period(
            train_loss=[loss for row in period for loss in row["train_losses"]],
            val_loss=[row["val_loss"] for row in period],
            lr=[row["lr"] for row in period],
        )
        for period in seen
    ]
    window = arc.featurise(history)
    decision = rows[end - 1]["decision"]
    figure, axes = plt.subplots(3, 2, figsize=(9, 5), width_ratios=[3, 1], layout="constrained")
    for i, name in enumerate(
        ("training loss\n(z-score)", "validation loss\n(z-score)", "LR relative to\nthe first")
    ):
        axis = axes[i, 0]
        axis.plot(window[:, i], color="#0b62c4", linewidth=1.2)
        axis.set_ylabel(name)
        for border in (100, 200):
            axis.axvline(border, color="#9aa5b5", linestyle=":")
    axes[0, 0].set_title(
        f"what the network sees after epoch {end}: three periods, 300 x 3 numbers", fontsize=10
    )
    axes[2, 0].set_xlabel(f"100 values per period of {PERIOD} epochs")
    grid = axes[0, 1].get_gridspec()
    for axis in axes[:, 1]:
        axis.remove()
    answer = figure.add_subplot(grid[:, 1])
    answer.bar(list(COLORS), decision["probabilities"], color=list(COLORS.values()))
    for i, p in enumerate(decision["probabilities"]):
        answer.text(i, p + 0.02, f"{p:.2f}", ha="center")
    answer.set(ylim=(0, 1.1), title="what it answers")
    answer.title.set_fontsize(10)
    figure.savefig(IMAGES / "window.png", dpi=100)
    print(f"window of epoch {end}: {np.round(decision['probabilities'], 3)}, {decision['reason']}")


def screenshots(directory: Path) -> None:
    """The run's page at desktop and at phone width."""
    subprocess.run([sys.executable, "-m", "arc", "watch", str(directory), "--once"], check=True)
    shown = directory.resolve() / "arc.html"
    # a frame, because a headless window is never as narrow as a phone
    (directory / "phone.html").write_text(
        f'<body style="margin:0"><iframe src="{shown.name}" style="border:0;width:390px;height:1250px">'
    )
    shoot(shown, IMAGES / "watch_desktop.png", 1000, 1250)
    shoot(directory.resolve() / "phone.html", IMAGES / "watch_phone.png", 390, 1250)


def shoot(page: Path, image: Path, width: int, height: int) -> None:
    """A screenshot of a local page."""
    with tempfile.TemporaryDirectory() as profile:
        where = [f"--user-data-dir={profile}", f"--window-size={width},{height}", f"--screenshot={image}"]
        subprocess.run(["chromium", *CHROMIUM, *where, page.as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    plt.switch_backend("Agg")
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/digits_cnn")
    draw_rules(run)
    train(run / "paper", policy="paper", total_calls=None, period=PERIOD)
    draw_window(run / "paper")
    train(run)
    if shutil.which("chromium"):
        screenshots(run)
