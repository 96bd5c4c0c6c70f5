"""The tables of docs/results/methods.md from the trainings of `benchmarks.methods_claims`."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Iterable
from typing import Any

import torch

Rows = list[dict[str, Any]]


def report(rows: Rows) -> str:
    """All tables; the sentences between them are written by hand."""
    seeds = len({row["seed"] for row in rows})
    hours = sum(row["cpu_seconds"] for row in rows) / 3600
    parts = [
        f"{len(rows)} trainings, {seeds} seeds, {hours:.2f} CPU-hours, torch {torch.__version__}, "
        f"{platform.machine()}, one thread. Test data; mean ± standard deviation over seeds.",
        "## AutoDrop over initial LRs",
        _autodrop(rows),
        "## AutoLR's explore phase",
        _autolr(rows),
        "## Step sampling against a full grid",
        *(_sampling(rows, task) for task in _values(rows, "task", claim="sampling")),
        "## AutoLRS: what its search costs",
        _autolrs(rows),
    ]
    return "\n\n".join(parts) + "\n"


def _pick(rows: Rows, **wanted: Any) -> Rows:
    return [row for row in rows if all(row.get(k) == v for k, v in wanted.items())]


def _values(rows: Rows, key: str, **wanted: Any) -> list[Any]:
    """What was tried, in the order of the trainings."""
    return list(dict.fromkeys(row[key] for row in _pick(rows, **wanted) if row.get(key) is not None))


def _cell(rows: Rows, value: Callable[[dict[str, Any]], float], digits: int = 1) -> str:
    values = [value(row) for row in rows]
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"


def _table(head: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _percent(row: dict[str, Any]) -> float:
    return 100 * float(row["metric"])


def _autodrop(rows: Rows) -> str:
    names = {
        "steps": "hand-made: times 0.2 at 30, 60, 80 %",
        "autodrop": "AutoDrop, delay scaled, threshold 0.01 deg",
        "autodrop 1 deg": "AutoDrop, delay scaled, threshold 1 deg",
    }
    rows = _pick(rows, claim="autodrop")
    lr0s = _values(rows, "lr0")
    body = []
    for method, title in names.items():
        cells = [_pick(rows, method=method, lr0=lr0) for lr0 in lr0s]
        drops = [row["drops"] for cell in cells for row in cell if "drops" in row]
        body.append(
            [
                title,
                *(_cell(cell, _percent) for cell in cells),
                f"{statistics.mean(drops):.1f}" if drops else "3",
            ]
        )
    caption = "svhn_vgg, momentum, 40 epochs; test accuracy in % by initial LR.\n\n"
    return caption + _table(["", *map(str, lr0s), "drops per run"], body)


def _autolr(rows: Rows) -> str:
    rows = _pick(rows, claim="autolr")
    body = []
    for explore in (*_values(rows, "explore"), None):
        cell = _pick(rows, explore=explore)
        name = "constant LR" if explore is None else f"{100 * explore:g} %"
        body.append(
            [
                name,
                _cell(cell, _percent),
                _cell(cell, lambda row: row.get("changes", 0)),
                _cell(cell, lambda row: row.get("rollbacks", 0)),
                _cell(cell, lambda row: row["lr"], 3),
                _cell(
                    cell, lambda row: (row["forwards"] + 2 * row["backwards"]) / (3 * row["step_count"]), 2
                ),
            ]
        )
    caption = "svhn_vgg, momentum, LR0 0.05, 30 epochs, superbatch: the epoch's 25 batches.\n\n"
    head = ["explore", "test accuracy %", "changes", "rollbacks", "last LR", "cost (1 = training)"]
    return caption + _table(head, body)


def _sampling(rows: Rows, task: str) -> str:
    rows = _pick(rows, claim="sampling", task=task)
    grid = _pick(rows, selection="grid")
    body = []
    for selection in ("midpoint", "half", "steepest"):
        cell = _pick(rows, selection=selection)
        found = ", ".join(f"{row['lr0']:.2g}" for row in cell)
        body.append(
            [selection, found, _cell(cell, lambda row: row["loss"], 3), _cell(cell, lambda r: r["metric"], 3)]
        )
    for lr0 in _values(grid, "lr0"):
        cell = [row for row in grid if row["lr0"] == lr0]
        body.append(
            [
                f"grid {lr0:.2g}",
                "",
                _cell(cell, lambda row: row["loss"], 3),
                _cell(cell, lambda r: r["metric"], 3),
            ]
        )
    caption = f"{task}, Adam at a constant LR, 15 epochs.\n\n"
    return caption + _table(["LR", "found, by seed", "test loss", "test metric"], body)


def _autolrs(rows: Rows) -> str:
    body = [
        [
            str(row["seed"]),
            str(row["step_count"]),
            str(row["steps"] - row["step_count"]),
            str(row["stages"]),
            f"{_percent(row):.1f}",
            f"{row['snapshot_bytes'] / 1e6:.1f}",
            f"{row['cpu_seconds']:.1f}",
        ]
        for row in _pick(rows, claim="autolrs")
    ]
    caption = "svhn_vgg, momentum, 40 epochs, stages of 100, 200, 400, ... steps, LRs 1e-4 to 3.\n\n"
    head = ["seed", "steps trained", "steps searched", "stages", "test accuracy %", "snapshots, MB", "CPU s"]
    return caption + _table(head, body)
