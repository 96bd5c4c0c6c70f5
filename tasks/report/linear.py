"""The linear baseline of classification tasks."""

from __future__ import annotations

import functools

import torch

from tasks.base import Source, Splits
from tasks.report.runs import loaded

_LARGEST = 64


@functools.cache
def accuracy(name: str, scale: str, source: Source, settings: str) -> float | None:
    """Validation accuracy of logistic regression on an image's pixels.

    None for other kinds of task, for streams and for images of over 64 x 64 pixels.
    """
    task, data = loaded(name, scale, source, settings)
    if not isinstance(data, Splits):
        return None
    shape = data.val.get("image", torch.empty(0)).shape
    if task.metric_name != "accuracy" or set(data.train) != {"image", "label"} or shape[-1] > _LARGEST:
        return None
    from sklearn.linear_model import LogisticRegression

    train = task.augment(data.train, torch.Generator().manual_seed(0))
    if train["image"].shape[1:] != shape[1:]:
        train = data.train
    if train["image"].shape[1:] != shape[1:]:
        return None
    features = [split["image"].flatten(1).double().numpy() / 255 for split in (train, data.val)]
    model = LogisticRegression(C=0.01, max_iter=200).fit(features[0], train["label"].numpy())
    return float(model.score(features[1], data.val["label"].numpy()))
