import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.base import Source, TaskError
from tasks.data import coco
from tasks.metrics.detection import mean_average_precision
from tasks.nets import boxes as b

SQUARE = [0.0, 0.0, 10.0, 10.0]


def ap(found: list[tuple[list[float], float, int]], true: list[tuple[list[float], int]]) -> float:
    """AP of one image."""
    boxes, scores, labels = (torch.tensor([list(c)]) for c in zip(*found, strict=True))
    true_boxes, true_labels = (torch.tensor([list(c)]) for c in zip(*true, strict=True))
    return mean_average_precision(boxes, scores, labels, true_boxes, true_labels)


def test_overlap_by_hand() -> None:
    a = torch.tensor([SQUARE])
    others = torch.tensor([SQUARE, [5.0, 0, 15, 10], [20.0, 0, 30, 10], [0.0, 0, 0, 0]])
    assert b.iou(a, others)[0].tolist() == pytest.approx([1, 1 / 3, 0, 0])


def test_a_perfect_detection_scores_one() -> None:
    assert ap([(SQUARE, 0.9, 0)], [(SQUARE, 0)]) == pytest.approx(1.0)


def test_overlap_decides_at_how_many_thresholds_a_box_counts() -> None:
    # Overlap 0.72: right at 0.5, 0.55, 0.6, 0.65 and 0.7.
    assert ap([([0.0, 0, 7.2, 10], 0.9, 0)], [(SQUARE, 0)]) == pytest.approx(0.5)


def test_a_wrong_class_or_nothing_scores_zero() -> None:
    assert ap([(SQUARE, 0.9, 1)], [(SQUARE, 0)]) == 0.0
    assert ap([(SQUARE, 0.0, 0)], [(SQUARE, 0)]) == 0.0


def test_only_false_detections_above_the_true_one_cost() -> None:
    far = [50.0, 50, 60, 60]
    assert ap([(SQUARE, 0.9, 0), (far, 0.1, 0)], [(SQUARE, 0)]) == pytest.approx(1.0)
    assert ap([(SQUARE, 0.1, 0), (far, 0.9, 0)], [(SQUARE, 0)]) == pytest.approx(0.5)


def test_a_second_detection_of_an_object_is_false_and_a_missed_object_limits_recall() -> None:
    other = [50.0, 50, 60, 60]
    found = [(SQUARE, 0.9, 0), (SQUARE, 0.8, 0), (other, 0.7, 0)]
    # Recall 0 to 0.5 at precision 1 (51 of the 101 points), then 2/3.
    assert ap(found, [(SQUARE, 0), (other, 0)]) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert ap(found[:1], [(SQUARE, 0), (other, 0)]) == pytest.approx(51 / 101)


def test_classes_weigh_the_same_and_padding_is_no_object() -> None:
    true = [(SQUARE, 0), ([50.0, 50, 60, 60], 1), ([0.0] * 4, -1)]
    assert ap([(SQUARE, 0.9, 0)], true) == pytest.approx(0.5)


def test_scores_rank_over_images() -> None:
    boxes = torch.tensor([[SQUARE], [SQUARE]])
    true_labels = torch.tensor([[0], [-1]])
    for scores, expected in ((torch.tensor([[0.9], [0.1]]), 1.0), (torch.tensor([[0.1], [0.9]]), 0.5)):
        labels = torch.zeros(2, 1, dtype=torch.long)
        assert mean_average_precision(boxes, scores, labels, boxes, true_labels) == pytest.approx(expected)


def test_an_images_best_hundred_boxes_count_of_each_class() -> None:
    far = [50.0, 50, 60, 60]
    many = [(far, 0.9, 1)] * 150  # of another class: they take no place of the first class
    assert ap([*many, (SQUARE, 0.1, 0)], [(SQUARE, 0)]) == pytest.approx(1.0)
    for false, expected in ((99, 1 / 100), (100, 0.0)):  # the right box is number 100, and number 101
        assert ap([(far, 0.9, 0)] * false + [(SQUARE, 0.1, 0)], [(SQUARE, 0)]) == pytest.approx(expected)


def test_suppression_keeps_the_best_of_each_class() -> None:
    boxes = torch.tensor([[SQUARE, [1.0, 0, 10, 10], SQUARE, [50.0, 0, 60, 10]]])
    scores = torch.tensor([[0.9, 0.8, 0.7, 0.6]])
    kept = b.suppress(boxes, scores, torch.tensor([[0, 0, 1, 0]]))
    assert kept[0].tolist() == pytest.approx([0.9, 0, 0.7, 0.6])


def test_offsets_are_inverted() -> None:
    anchors = torch.tensor([[0.0, 0, 8, 8], [4.0, 2, 20, 10]])
    boxes = torch.tensor([[1.0, 2, 9, 6], [3.0, 3, 12, 20]])
    assert torch.allclose(b.decode(b.encode(boxes, anchors), anchors), boxes, atol=1e-4)


def test_anchors_match_by_overlap_and_every_object_gets_one() -> None:
    anchors = torch.tensor([SQUARE, [0.0, 0, 10, 4.5], [30.0, 30, 40, 40], [70.0, 70, 99, 99]])
    boxes = torch.tensor([[SQUARE, [36.0, 36, 40, 40], [0.0] * 4]])
    index, state = b.match(anchors, boxes, torch.tensor([[1, 0, -1]]))
    assert state.tolist() == [[1, -1, 1, 0]]  # 0.45 is neither; the third is the second object's best
    assert index[0, 2] == 1


def test_loss_is_low_for_the_truth_and_finite_without_objects() -> None:
    anchors = torch.tensor([SQUARE, [30.0, 30, 40, 40]])
    boxes, labels = torch.tensor([[SQUARE]]), torch.tensor([[1]])
    logits = torch.tensor([[[-9.0, 9.0], [-9.0, -9.0]]])
    offsets = torch.zeros(1, 2, 4)
    assert b.focal_and_box_loss(logits, offsets, anchors, boxes, labels) < 1e-6
    assert b.focal_and_box_loss(-logits, offsets + 1, anchors, boxes, labels) > 1
    empty = b.focal_and_box_loss(logits, offsets, anchors, torch.zeros(1, 1, 4), torch.tensor([[-1]]))
    assert empty.isfinite()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part, count in (("train2017", 20), ("val2017", 1)):
        (tmp_path / part).mkdir()
        images = [{"id": i, "file_name": f"{i:012d}.jpg"} for i in range(count)]
        for image in images:
            Image.fromarray(np.full((20, 40, 3), 200, dtype=np.uint8)).save(
                tmp_path / part / str(image["file_name"])
            )
        annotations = [
            {"image_id": 0, "category_id": 90, "bbox": [10, 5, 20, 10], "iscrowd": 0},
            {"image_id": 0, "category_id": 3, "bbox": [0, 0, 2, 2], "iscrowd": 0},
            {"image_id": 0, "category_id": 3, "bbox": [0, 0, 40, 20], "iscrowd": 1},
        ]
        content = {"images": images, "annotations": annotations, "categories": [{"id": 90}, {"id": 3}]}
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"instances_{part}.json").write_text(json.dumps(content))
    return tmp_path


def test_coco_is_scaled_padded_and_sorted_by_size(folder: Path) -> None:
    train, val, test = coco.load(Source(kind="local", path=str(folder)), size=20, objects=3, classes=2)
    assert [len(s["image"]) for s in (train, val, test)] == [19, 1, 1]
    assert test["image"][0, 0].float().mean(1).tolist() == [200.0] * 10 + [0.0] * 10
    assert test["boxes"][0].tolist() == [[5, 2.5, 15, 7.5], [0, 0, 1, 1], [0] * 4]
    assert test["labels"].tolist() == [[1, 0, -1]]


def test_coco_names_missing_and_damaged_files(folder: Path) -> None:
    source = Source(kind="local", path=str(folder))
    with pytest.raises(TaskError, match=r"settings=\{classes: 2\}"):
        coco.load(source, size=20, objects=3, classes=1)
    (folder / "annotations/instances_val2017.json").write_text("{}")
    with pytest.raises(TaskError, match=r"instances_val2017\.json is damaged"):
        coco.load(source, size=20, objects=3, classes=2)
    (folder / "annotations/instances_train2017.json").unlink()
    with pytest.raises(TaskError, match=r"no file .*instances_train"):
        coco.load(source, size=20, objects=3, classes=2)
    with pytest.raises(TaskError, match=r"cocodataset\.org"):
        coco.load(Source(kind="hub"), size=20, objects=3, classes=2)


def test_mirroring_twice_restores_the_boxes() -> None:
    image = torch.zeros(32, 3, 10, 10, dtype=torch.uint8)
    image[:, :, 2:4, 1:5] = 255
    batch = {"image": image, "boxes": torch.tensor([[[1.0, 2, 5, 4]]]).expand(32, 1, 4)}
    changed = coco.mirrored(batch, torch.Generator().manual_seed(1))
    for picture, (box,) in zip(changed["image"], changed["boxes"].int().tolist(), strict=True):
        left, top, right, bottom = box
        assert picture[:, top:bottom, left:right].min() == 255
    assert 0 < (changed["boxes"] != batch["boxes"]).flatten(1).any(1).sum() < 32
