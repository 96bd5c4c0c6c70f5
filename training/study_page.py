"""The study as a page: Markdown tables and one figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tasks.work import folders, machine

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACTIONS = ("raise", "keep", "lower")
METRICS = ("accuracy", "mcc", "weighted_accuracy", "calibration_error")


def write(out: str, samples: pd.DataFrame, fits: pd.DataFrame, config: Mapping[str, Any]) -> None:
    """Write ``out/README.md`` and ``out/study.png``.

    Args:
        out: a directory, or a URI.
        samples: the samples' columns but for their histories.
        fits: one row per fit: ``model``, ``share``, ``left_out``, ``seed``, sizes and metrics.
        config: what was asked for.
    """
    with folders.written(out, "README.md") as folder:
        folder.mkdir(parents=True, exist_ok=True)
        draw(samples, fits, folder / "study.png")
        (folder / "README.md").write_text(page(samples, fits, config), "utf-8")


def page(samples: pd.DataFrame, fits: pd.DataFrame, config: Mapping[str, Any]) -> str:
    """The page's text."""
    pooled = fits[fits["left_out"].isna()]
    whole = pooled[pooled["share"] == 1.0]
    chosen = " ".join(f"{key}={config[key]}" for key in ("samples", "epochs", "precision", "seeds"))
    command = f"python -m training.study {chosen}"
    return f"""# What the samples hold

`{command}`, {pd.Timestamp.now():%Y-%m-%d}, {machine.processor()}.
{len(samples)} samples of {samples["run_id"].nunique()} runs of {samples["task"].nunique()} tasks.

## Label noise

{_noise_sentence(samples)}

{_table(noise(samples))}

## Class balance by cycle

{_table(shares(samples, "cycle"))}

![Class balance and learning curve](study.png)

## What can be learnt

Held-out runs of every task ({config["holdout"]:.0%}); the network over {config["seeds"]} seeds
({config["epochs"]} epochs at {config["lr"]:g}, cosine), mean and standard deviation. MCC is 0 for an answer
that ignores the window.

{_table(metrics(whole, ["model"]))}

{_model_sentence(whole)}

## Does more data help?

Shares of the {int(whole["samples"].max())} training samples. Every network has the same number of
epochs, so less data also means fewer steps.

{_table(metrics(pooled, ["model", "share"]))}

## A task that was never seen

Each row's task is left out of training and is all that the classifier is judged by.

{_table(left_out(fits))}
"""


def noise(samples: pd.DataFrame) -> pd.DataFrame:
    """Per task: shares of repeated branches that changed the order, of agreeing labels, of each label."""
    grouped = samples.groupby("task")
    table = pd.DataFrame({"samples": grouped.size()})
    repeated = samples[samples["reason"] != "last"]
    table["order changed"] = repeated["reason"].eq("noise").groupby(repeated["task"]).mean()
    table["raw = label"] = (samples["raw"] == samples["label"]).groupby(samples["task"]).mean()
    for action in ACTIONS:
        table[action] = samples["label"].eq(action).groupby(samples["task"]).mean()
    everything = {
        "samples": len(samples),
        "order changed": repeated["reason"].eq("noise").mean(),
        "raw = label": (samples["raw"] == samples["label"]).mean(),
        **{action: samples["label"].eq(action).mean() for action in ACTIONS},
    }
    table.loc["all"] = pd.Series(everything)
    table["samples"] = table["samples"].astype(int)
    return table


def shares(samples: pd.DataFrame, by: str) -> pd.DataFrame:
    """Share of each label within the groups of a column."""
    table = samples.groupby(by)["label"].value_counts(normalize=True).unstack()
    return table.reindex(columns=list(ACTIONS)).fillna(0.0)


def metrics(fits: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean and standard deviation over seeds."""
    grouped = fits.groupby(by)[list(METRICS)]
    mean, deviation = grouped.mean(), grouped.std(ddof=0)
    cells = {m: [f"{a:.3f} ± {b:.3f}" for a, b in zip(mean[m], deviation[m], strict=True)] for m in METRICS}
    return pd.DataFrame(cells, index=mean.index).rename(columns=lambda name: name.replace("_", " "))


def left_out(fits: pd.DataFrame) -> pd.DataFrame:
    """MCC per task that was left out, one column for each model."""
    rows = fits[fits["left_out"].notna()]
    table = rows.pivot_table(index="left_out", columns="model", values="mcc")
    table.loc["mean"] = table.mean()
    return table.rename_axis(index="task left out")


def draw(samples: pd.DataFrame, fits: pd.DataFrame, path: Path) -> None:
    """Class balance by cycle, and MCC against the number of samples."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    shares(samples, "cycle").plot.bar(
        stacked=True, ax=left, color=["#0072B2", "#BBBBBB", "#D55E00"], width=0.85, rot=0
    )
    left.set(xlabel="cycle", ylabel="share of the labels", title="Corrected labels")
    _learning_curve(fits[fits["left_out"].isna()], right)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _learning_curve(fits: pd.DataFrame, axes: Axes) -> None:
    for model, rows in fits.groupby("model"):
        points = rows.groupby("share").agg({"samples": "mean", "mcc": ["mean", "std"]})
        axes.errorbar(
            points[("samples", "mean")],
            points[("mcc", "mean")],
            points[("mcc", "std")].fillna(0.0),
            marker="o",
            capsize=3,
            label=str(model),
        )
    axes.set(xscale="log", xlabel="training samples", ylabel="MCC on held-out runs", title="Learning curve")
    axes.legend(fontsize=8)


def _noise_sentence(samples: pd.DataFrame) -> str:
    repeated = samples[samples["reason"] != "last"]
    changed = repeated["reason"].eq("noise").mean()
    kept = (samples["raw"] == samples["label"]).mean()
    return (
        f"A repeated branch changed the order of the three losses in {changed:.0%} of {len(repeated)} "
        f"repetitions; {kept:.0%} of the raw labels survive the correction."
    )


def _model_sentence(whole: pd.DataFrame) -> str:
    ordered = whole.groupby("model")["mcc"].mean().sort_values(ascending=False)
    return "By MCC: " + " > ".join(f"{name} ({value:.3f})" for name, value in ordered.items()) + "."


def _table(frame: pd.DataFrame) -> str:
    """A Markdown table; shares and scores with two or three digits."""
    flat = frame.reset_index()
    head = [str(c) for c in flat.columns]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in flat.itertuples(index=False):
        lines.append("| " + " | ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row) + " |")
    return "\n".join(lines)
