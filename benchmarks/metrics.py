"""Our metrics beside the libraries' that define them: value and cost. `python -m benchmarks.metrics`.

Needs what no stage does: ``pip install torchmetrics seqeval pycocotools``. The cost is that of a call, in
milliseconds of CPU time (the least of the repeats), and, as ``more``, what the library's would add to the
generator's time: to four epochs (one of the trunk, three of the branches), whose metric is asked for once.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tasks import registry
from tasks.base import Batch, Predictions, Source
from tasks.loop import TaskRun
from tasks.metrics.overlap import dice, overlap
from tasks.metrics.spans import IGNORED
from tasks.nets.boxes import suppress

Metric = Callable[[], float]

TASKS = ("noisy_digits_cnn", "svhn_vgg", "montgomery_unet", "movie_ner", "dev_boxes")
EPOCHS = 4
"""Epochs of a cycle of the generator for one metric: one of the trunk, and one of each branch."""


def multiclass_accuracy(scores: Predictions, split: Batch) -> float:
    """torchmetrics' accuracy."""
    from torchmetrics.functional.classification import multiclass_accuracy as theirs

    assert isinstance(scores, Tensor)
    return float(theirs(scores, split["label"], num_classes=scores.shape[1], average="micro"))


def counts(logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """torchmetrics' counts of pixels, as :func:`tasks.metrics.overlap.overlap` gives them."""
    from torchmetrics.functional.classification import multiclass_stat_scores as theirs

    found = theirs(
        logits,
        mask.long(),
        num_classes=logits.shape[1],
        average=None,
        multidim_average="samplewise",
        validate_args=False,
    )
    right, false, _, missed, _ = found.unbind(2)
    return right, 2 * right + false + missed


def seqeval_f1(predicted: Predictions, split: Batch) -> float:
    """seqeval's F1, which needs the names of the tags."""
    from seqeval.metrics import f1_score

    assert isinstance(predicted, Tensor)
    top = int(max(int(predicted.max()), int(split["label"].max())))
    names = ["O", *(f"{'BI'[(k - 1) % 2]}-{(k - 1) // 2}" for k in range(1, top + 1))]
    kept = split["label"] != IGNORED

    def named(tags: Tensor) -> list[list[str]]:
        rows = zip(tags.tolist(), kept.tolist(), strict=True)
        return [[names[t] for t, keep in zip(row, keeps, strict=True) if keep] for row, keeps in rows]

    return float(f1_score(named(split["label"]), named(predicted)))


def coco_ap(boxes: Tensor, scores: Tensor, labels: Tensor, split: Batch) -> float:
    """pycocotools' AP over overlaps of 0.5 to 0.95."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def corner_and_size(box: Tensor) -> list[float]:
        left, top, right, bottom = box.tolist()
        return [left, top, right - left, bottom - top]

    true = []
    for image, objects in enumerate(split["labels"].tolist()):
        for k, label in enumerate(objects):
            if label >= 0:
                box = corner_and_size(split["boxes"][image, k])
                true.append({"image_id": image, "category_id": label, "bbox": box})
    for number, entry in enumerate(true):
        entry.update(id=number + 1, iscrowd=0, area=entry["bbox"][2] * entry["bbox"][3])
    kinds = sorted({entry["category_id"] for entry in true})
    found = [
        {
            "image_id": image,
            "category_id": int(labels[image, k]),
            "bbox": corner_and_size(boxes[image, k]),
            "score": float(scores[image, k]),
        }
        for image, k in torch.nonzero(scores > 0).tolist()
    ]
    if not found:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": i} for i in range(len(scores))],
            "annotations": true,
            "categories": [{"id": k} for k in kinds],
        }
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
    precisions = judge.eval["precision"][:, :, :, 0, -1]  # every size of object, at most 100 boxes
    return float(np.mean(precisions[precisions > -1]))


def least(function: Callable[[], Any], repeats: int = 7) -> float:
    """The CPU time of the fastest call, in milliseconds."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        function()
        times.append(time.process_time() - began)
    return 1e3 * min(times)


def compare(name: str) -> str:
    """A row of the table: the task's metric and its library's, after some epochs."""
    task = registry.get(name)
    low, high = task.lr_range["adam"]
    run = TaskRun(task, task.load(Source()), optimizer="adam", lr=low * (high / low) ** 0.5, seed=0)
    run.train(6 * run.steps_per_epoch)
    val = run.data.val
    with torch.no_grad():
        predictions = run.forward(val)[1]
        ours, theirs, calls = pair(run, predictions)
        values = ours(), theirs()
        mine, other = least(ours), least(theirs)
    epoch = least(lambda: (run.train(run.steps_per_epoch), run.evaluate()), 3)
    share = calls * (other - mine) / (EPOCHS * epoch)
    return (
        f"{name:18}{task.metric_name:10}{values[0]:8.5f}{values[1]:8.5f}"
        f"{mine:9.2f}{other:10.2f}{epoch:9.1f}{share:9.2%}"
    )


def pair(run: TaskRun, predictions: Predictions) -> tuple[Metric, Metric, int]:
    """Our metric, the library's, and how often the generator asks for it in a cycle of one epoch."""
    task, val = run.task, run.data.val

    def ours() -> float:
        return task.metric(predictions, val)

    if task.metric_name == "dice":  # of each batch the pixels are counted: no maps are kept
        rows = {k: v[: run.batch_size] for k, v in val.items()}
        logits = run.model(rows["image"].float() / 127.5 - 1)
        steps = run.steps_per_epoch + -(-len(val["mask"]) // (4 * run.batch_size))
        return (
            lambda: dice(*overlap(logits, rows["mask"])),
            lambda: dice(*counts(logits, rows["mask"])),
            EPOCHS * steps,
        )
    if task.metric_name == "mAP":
        boxes, scores, labels = predictions
        return ours, lambda: coco_ap(boxes, suppress(boxes, scores, labels), labels, val), 1
    other = seqeval_f1 if task.metric_name == "span_f1" else multiclass_accuracy
    return ours, lambda: other(predictions, val), 1


def import_seconds() -> float:
    """CPU time of the first import of torchmetrics' classification, which every process would pay for."""
    began = time.process_time()
    importlib.import_module("torchmetrics.functional.classification")
    return time.process_time() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "tasks",
        nargs="*",
        default=["noisy_digits_cnn", "svhn_vgg", "montgomery_unet", "movie_ner", "dev_boxes"],
    )
    torch.set_num_threads(1)
    print(f"importing torchmetrics: {import_seconds():.1f} s of CPU")
    head = ("ours", "theirs", "ours ms", "theirs ms", "epoch ms", "more")
    print(
        f"{'task':18}{'metric':10}{head[0]:>8}{head[1]:>8}{head[2]:>9}{head[3]:>10}{head[4]:>9}{head[5]:>9}"
    )
    names = parser.parse_args().tasks
    for name in names:
        print(compare(name), flush=True)


if __name__ == "__main__":
    main()
