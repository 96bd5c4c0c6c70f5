"""The report's table as Markdown, and its figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.report.verdict import Verdict

_HEAD = (
    "| task | optimizer | s/epoch | metric | untrained | baseline | best | at LR | worst | ceiling "
    "| epoch 1 | improving epochs | stops after | fails from LR | alive |"
)


def markdown(
    verdicts: Sequence[Verdict], command: str, labels: Mapping[tuple[str, str], Mapping[str, int]]
) -> str:
    """The table, how it was made, and the share of each label where ``labels`` has it.

    Args:
        verdicts: one per task and optimizer.
        command: what was typed.
        labels: samples of raise, keep and lower by task and optimizer.
    """
    seconds = sorted(v.seconds for v in verdicts)
    lines = [
        "# The zoo, alive or not",
        "",
        f"`{command}`; validation split, means over seeds, {_machine()}. Seconds are CPU time on one thread;",
        f"the median over the table is {seconds[len(seconds) // 2]:.3f} s per epoch.",
        "",
        _HEAD,
        "|" + "---|" * (_HEAD.count("|") - 1),
        *(_line(v) for v in verdicts),
        "",
        "A dead task lists the conditions that it misses. Epoch 1: its share of the gain from untrained "
        "to best. Baseline: better of logistic regression on pixels and of the same network, inputs blanked.",
    ]
    if labels:
        lines += ["", "| task | optimizer | samples | raise | keep | lower |", "|---|---|---|---|---|---|"]
        for (task, optimizer), found in sorted(labels.items()):
            count = sum(found.values())
            cells = " | ".join(f"{found.get(k, 0) / count:.0%}" for k in ("raise", "keep", "lower"))
            lines.append(f"| {task} | {optimizer} | {count} | {cells} |")
    return "\n".join(lines) + "\n"


def summary(verdicts: Sequence[Verdict]) -> str:
    """What the terminal shows, in 80 columns: a line for each verdict, and one more where a task is dead."""
    lines = [f"{'task':20} {'optimizer':9} {'metric':11} {'baseline':>9} {'best':>9} {'at LR':>8}  alive"]
    for v in verdicts:
        missed = ", ".join(name for name, ok in v.checks().items() if not ok)
        numbers = f"{v.baseline:9.3f} {v.best:9.3f} {v.best_lr:8.1e}"
        lines.append(
            f"{v.task:20.20} {v.optimizer:9.9} {v.metric:11.11} {numbers}  {'no' if missed else 'yes'}"
        )
        lines += [f"    misses: {missed}"] if missed else []
    return "\n".join(lines)


def _line(v: Verdict) -> str:
    missed = [name for name, ok in v.checks().items() if not ok]
    finite = [f for f in v.finals if not math.isnan(f)]
    diverged = len(finite) < len(v.finals)
    worst = "diverged" if diverged else f"{(min if v.best > v.untrained else max)(finite):.3f}"
    cells = [
        v.task,
        v.optimizer,
        f"{v.seconds:.3f}",
        v.metric,
        f"{v.untrained:.3f}",
        f"{v.baseline:.3f}",
        f"{v.best:.3f} ± {v.deviations[v.lrs.index(v.best_lr)]:.3f}",
        f"{v.best_lr:.1e}",
        worst,
        f"{v.ceiling:.3f}",
        f"{v.first_epoch:.0%}",
        f"{v.improving:.0f}",
        f"{v.last_improvement:.0f}",
        "-" if math.isnan(v.fails_from) else f"{v.fails_from:.1e}",
        "no: " + ", ".join(missed) if missed else "yes",
    ]
    return f"| {' | '.join(cells)} |"


def _machine() -> str:
    import platform

    import torch

    return f"{platform.machine()} CPU, torch {torch.__version__}, Python {platform.python_version()}"


def figure(verdicts: Sequence[Verdict], path: Path) -> None:
    """One panel per task: final metric over LR, with each optimizer's seed deviation and the baseline."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(v.task for v in verdicts))
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    drawing = Figure(figsize=(3.2 * columns, 2.6 * rows), layout="constrained")
    FigureCanvasAgg(drawing)
    for i, name in enumerate(names):
        axes = drawing.add_subplot(rows, columns, i + 1)
        mine = [v for v in verdicts if v.task == name]
        for v in mine:
            axes.errorbar(
                v.lrs, v.finals, v.deviations, marker="o", markersize=3, capsize=2, label=v.optimizer
            )
        axes.axhline(mine[0].baseline, linestyle="--", color="grey", linewidth=1, label="baseline")
        if mine[0].metric == "perplexity" or max(max(v.finals) for v in mine) > 20:
            axes.set_yscale("log")
        axes.set_xscale("log")
        axes.set_title(name, fontsize=9)
        axes.set_ylabel(mine[0].metric, fontsize=8)
        axes.tick_params(labelsize=7)
        if i == 0:
            axes.legend(fontsize=7)
    drawing.supxlabel("learning rate", fontsize=9)
    drawing.savefig(path, dpi=130)
