"""One training of a method of the comparison, on the comparison's own ground."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from benchmarks.gpu.job import Tell
from data_gen.unit import load
from proxy_eval import methods
from proxy_eval.comparison_run import ComparisonUnit
from proxy_eval.plan import settings_of
from proxy_eval.unfinished import Checkpoint
from tasks.base import Source, Splits, Task

HERE = Path(__file__).parent


class Training(NamedTuple):
    """What is trained: a task file, its optimizer, and the epochs at each scale."""

    task: str
    optimizer: str
    epochs: dict[str, int]


TRAININGS: Final = {
    "cifar": Training(str(HERE / "cifar.py"), "adam", {"paper": 30, "toy": 4}),
    "gpt": Training(str(HERE / "gpt.py"), "adamw", {"paper": 40, "toy": 4}),
}
"""CIFAR-10 as configs/experiment/paper_cifar10.yaml has it; 2,000 steps of the GPT in calls of 50."""
KEPT: Final = (
    *("optimizer", "lr0", "seed", "epochs", "epoch_steps", "metric", "higher_is_better", "lr", "train_loss"),
    *(
        "val_loss",
        "val_metric",
        "last_test_loss",
        "last_test_metric",
        "best_test_metric",
        "diverged",
        "failure",
    ),
    *("seconds", "wall_seconds", "peak_memory", "decision_epoch", "decision", "decision_factor"),
    *("decision_reason", "identity", "data"),
)
"""Columns of :data:`proxy_eval.comparison_schema.RUN` that a result has."""


def loaded(kind: str, scale: str, path: str | None, device: str) -> tuple[Task, Splits]:
    """The task and its data, once per process."""
    return load(TRAININGS[kind].task, scale, _source(path), device)


def run(
    tell: Tell,
    kind: str,
    method: str,
    label: str,
    lr: float,
    device: str,
    scale: str,
    path: str | None,
    weights: str,
    out: str,
) -> None:
    """Train; the result is a row of the comparison. What takes a minute or more is saved in ``out``."""
    training = TRAININGS[kind]
    if device == "cuda":
        torch.cuda.init()
    options = {"weights": weights} if "weights" in methods.get(method).options else {}
    _, splits = loaded(kind, scale, path, "cpu")
    unit = ComparisonUnit(
        label=label,
        method=method,
        options=options,
        identity=methods.identity(method, options),
        task=training.task,
        scale=scale,
        source=_source(path),
        fingerprint=splits.fingerprint(),
        settings=settings_of(training.task, scale),
        optimizer=training.optimizer,
        lr0=lr,
        start_lr=lr,
        seed=0,
        base_seed=0,
        horizon=1.0,
        epochs=training.epochs[scale],
        epoch_steps=None,
        device=device,
        out=out,
    )
    row = unit.row()
    Checkpoint(unit.path).delete()
    steps = row["epochs"] * row["epoch_steps"]
    values: dict[str, Any] = {name: row[name] for name in KEPT} | {"method": method, "label": label}
    metric = row["metric"].replace("_", " ")
    said = f"test {metric} {row['last_test_metric']:.4f}"
    if row["val_loss"]:
        said += f", val loss {row['val_loss'][-1]:.4f}, {1e3 * row['seconds'] / steps:.2f} ms a step"
    if row["failure"]:
        said += f"; {row['failure']}"
    title = "CIFAR-10 ResNet-9" if kind == "cifar" else "GPT"
    tell(f"{title}, LR {lr:g}, {label}", said, **values)


def _source(path: str | None) -> Source:
    return Source() if path is None else Source(kind="local", path=path)
