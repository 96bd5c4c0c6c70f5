"""Tables of numbers: scikit-learn's generators of published problems, and two real tables that it fetches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tasks.base import Batch, Source, Splits, TaskError
from tasks.data.cache import cached
from tasks.seeding import derive

_VERSION = 1


def clusters(*, examples: tuple[int, int, int], columns: int, classes: int, spread: float) -> Splits:
    """``x`` float32 (n, columns) and ``y`` int64 (n,): classes of several Gaussian clusters each.

    Half of the columns tell the class, the others are mixtures of them or noise; 2 % of labels are wrong.

    Args:
        examples: training, validation and test rows.
        columns: of ``x``.
        classes: of ``y``.
        spread: distance of the clusters, in units of their deviation.

    Source: the generator of Madelon (Guyon, 2003), ``sklearn.datasets.make_classification``.
    """

    def build() -> Splits:
        from sklearn.datasets import make_classification

        x, y = make_classification(
            sum(examples),
            columns,
            n_informative=columns // 2,
            n_redundant=columns // 4,
            n_classes=classes,
            n_clusters_per_class=4,
            class_sep=spread,
            flip_y=0.02,
            random_state=derive("clusters") % 2**32,
        )
        return _split(x, y.astype(np.int64), examples)

    name = f"clusters-{'-'.join(map(str, examples))}-{columns}-{classes}-{spread}"
    return cached(name, _VERSION, build)


def friedman(*, examples: tuple[int, int, int], noise: float) -> Splits:
    """``x`` float32 (n, 10) and ``y`` float32 (n,), both standardised: five columns tell y, five are noise.

    Args:
        examples: training, validation and test rows.
        noise: standard deviation of what no column tells, before standardising; y has about 4.9 in all.

    Source: Friedman, 1991 (problem 1), ``sklearn.datasets.make_friedman1``.
    """

    def build() -> Splits:
        from sklearn.datasets import make_friedman1

        seed = derive("friedman") % 2**32
        x, y = make_friedman1(sum(examples), 10, noise=noise, random_state=seed)
        return _split(x, y, examples)

    return cached(f"friedman-{'-'.join(map(str, examples))}-{noise}", _VERSION, build)


def fetched(source: Source, fetch: str, examples: tuple[int, int, int]) -> Splits:
    """The table of one of scikit-learn's fetchers, its rows shuffled and split.

    Args:
        source: ``hub`` downloads it; ``local`` reads what an earlier download left below the path.
        fetch: ``fetch_covtype`` or ``fetch_california_housing``.
        examples: shares of the three splits, as numbers of rows.
    """
    from sklearn import datasets

    load: Callable[..., Any] = getattr(datasets, fetch)
    try:
        x, y = load(data_home=source.path, download_if_missing=source.kind == "hub", return_X_y=True)
    except OSError as error:
        raise TaskError(
            f"no data of sklearn.datasets.{fetch} ({error}); pass data=hub to download it, or data=local "
            f"data_dir=<the data_home of an earlier call>"
        ) from error
    if y.dtype.kind == "i":
        y = y.astype(np.int64) - y.min()
    order = np.random.default_rng(derive(fetch)).permutation(len(y))
    ends = len(y) * np.array(examples) // sum(examples)
    return _split(x[order], y[order], (int(ends[0]), int(ends[1]), int(ends[2])))


def _split(x: Any, y: Any, examples: tuple[int, int, int]) -> Splits:
    """Rows in order; columns, and targets that are no classes, standardised by the training rows."""
    columns = {"x": x, "y": y}
    for key, values in columns.items():
        if values.dtype.kind == "f":
            train = values[: examples[0]]
            columns[key] = ((values - train.mean(0)) / (train.std(0) + 1e-9)).astype(np.float32)
    splits: list[Batch] = []
    start = 0
    for count in examples:
        splits.append({k: torch.from_numpy(v[start : start + count].copy()) for k, v in columns.items()})
        start += count
    return Splits(*splits)
