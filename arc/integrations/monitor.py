"""The loss to follow among the metrics of an evaluation: of one set, or of a dictionary of them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

CLOCK: Final = "_runtime"
"""Every evaluation has a metric that ends so; what stands before it is ``eval``, or ``eval_<set>``."""
NO_LOSS: Final = (CLOCK, "_samples_per_second", "_steps_per_second", "_model_preparation_time", "epoch")
"""Ends of metrics' names that say nothing about the model."""

SCORES: Final = frozenset(
    {
        *("acc", "accuracy", "auc", "auroc", "bleu", "dice", "f1", "iou", "map", "mcc", "miou", "ndcg"),
        *("precision", "psnr", "r2", "recall", "rouge", "score", "ssim"),
    }
)
"""Words in the name of a metric that is the better the higher it is."""


def loss_name(monitor: str) -> str:
    """The name of what is followed.

    Raises:
        ValueError: it says that higher is better: such a metric would be taken for a loss, silently.

    Example:
        >>> loss_name("val_loss")
        'val_loss'
    """
    found = SCORES & set(re.split("[^a-z0-9]+", monitor.lower()))
    if found:
        raise ValueError(
            f"got monitor={monitor!r}, whose name says that higher is better ({', '.join(sorted(found))}); "
            "need a loss, of which lower is better. Without one, log 1 minus the score by another name"
        )
    return monitor


class Monitor:
    """Reads the loss to follow; a trainer evaluates a dictionary of sets one after the other.

    Args:
        names: of the metric, or of several of which the mean is followed.

    Example:
        >>> monitor = Monitor(["eval_a_loss", "eval_b_loss"])
        >>> monitor.value({"eval_a_loss": 1.0, "eval_a_runtime": 0.1})
        >>> monitor.value({"eval_b_loss": 2.0, "eval_b_runtime": 0.1})
        1.5
    """

    def __init__(self, names: str | Sequence[str]) -> None:
        self._names = (names,) if isinstance(names, str) else tuple(names)
        if not self._names or not all(isinstance(name, str) for name in self._names):
            raise ValueError(f"got monitor={names!r}, need the name of a metric, or several")
        for name in self._names:
            loss_name(name)
        self._first: str | None = None  # the set that stands for a dictionary of them
        self._found: dict[str, float] = {}
        self._seen: list[str] = []  # metrics of a round that had nothing to follow yet
        self._given = False

    def value(self, metrics: Mapping[str, Any]) -> float | None:
        """The loss, once the evaluations of a round have brought all that is monitored.

        Raises:
            ValueError: the evaluation of a single set has no such metric.
        """
        self._found |= {name: float(metrics[name]) for name in self._names if name in metrics}
        self._seen += metrics
        prefix = min((n.removesuffix(CLOCK) for n in metrics if n.endswith(CLOCK)), key=len, default="eval")
        if prefix.startswith("eval_") and self._names == ("eval_loss",):
            return self._of_first(prefix, metrics)
        if len(self._found) == len(self._names):
            value = sum(self._found.values()) / len(self._found)
            self._found, self._given = {}, True
            return value
        if prefix == "eval":
            self.end_round()
        return None

    def _of_first(self, prefix: str, metrics: Mapping[str, Any]) -> float | None:
        name = f"{prefix}_loss"
        if self._first is None and name in metrics:
            self._first = name
            warnings.warn(
                f"several evaluation sets: ARC follows {name}; monitor= names another of them, or a list of "
                "which it follows the mean",
                stacklevel=4,
            )
        self._given = self._given or name == self._first
        return float(metrics[name]) if name == self._first else None

    def end_round(self) -> None:
        """The evaluations are over, and the training goes on.

        Raises:
            ValueError: there were some, and none had the metric.
        """
        seen, given = self._seen, self._given
        self._seen, self._given, self._found = [], False, {}
        if seen and not given:
            names = [name for name in dict.fromkeys(seen) if not name.endswith(NO_LOSS)]
            raise ValueError(
                f"got monitor={', '.join(map(repr, self._names))}, but the evaluation has "
                f"{', '.join(names) or 'no loss (are there labels?)'}: write ARCCallback(monitor=...)"
            )
