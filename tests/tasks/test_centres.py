"""Objects as points: scenes of digits, the heat map's loss, and boxes of its peaks."""

import math

import pytest
import torch

from tasks.base import TaskError
from tasks.data.digit_scenes import MARGIN, DigitScenes, load, moved
from tasks.nets.centres import focal_and_size_loss, peaks

STRIDE = 2
BOXES = torch.tensor([[[2.0, 4.0, 8.0, 10.0], [0.0, 0.0, 0.0, 0.0]]])
LABELS = torch.tensor([[1, -1]])
SCENES = DigitScenes(train=40, held_out=20, size=20, classes=3, objects=2, clutter=1, noise=0.0)


def maps(*, score: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The heat of two classes, ``score`` in the cell of the object's centre, and the true sides."""
    heat = torch.full((1, 2, 8, 8), -9.0)
    heat[0, 1, 3, 2] = score
    sides = torch.zeros(1, 4, 8, 8)
    # The box is 1 to 4 cells across and 2 to 5 along; the middle of its cell lies at 2.5 and 3.5.
    sides[0, :, 3, 2] = torch.tensor([1.5, 1.5, 1.5, 1.5])
    return heat, sides


def test_the_truth_costs_nothing_and_a_missed_object_its_focal_loss() -> None:
    assert focal_and_size_loss(*maps(score=9.0), BOXES, LABELS, STRIDE) < 1e-3
    missed = focal_and_size_loss(*maps(score=-9.0), BOXES, LABELS, STRIDE)
    assert missed.item() == pytest.approx(-math.log(1 / (1 + math.exp(9))), rel=0.01)


def test_sides_cost_a_tenth_of_their_pixels() -> None:
    heat, sides = maps(score=9.0)
    wrong = focal_and_size_loss(heat, sides + 1, BOXES, LABELS, STRIDE)
    assert wrong.item() == pytest.approx(0.1 * 4 * STRIDE, abs=1e-3)


def test_without_objects_the_loss_is_finite_and_that_of_the_heat() -> None:
    heat, sides = maps(score=-9.0)
    empty = focal_and_size_loss(heat, sides, torch.zeros_like(BOXES), torch.tensor([[-1, -1]]), STRIDE)
    assert empty.isfinite() and empty < 1e-6


def test_a_cell_near_a_centre_costs_less_than_one_far_away() -> None:
    costs = []
    for column in (3, 7):
        heat, sides = maps(score=9.0)
        heat[0, 1, 3, column] = 4.0
        costs.append(focal_and_size_loss(heat, sides, BOXES, LABELS, STRIDE).item())
    # One cell away is two deviations of a box that is three cells wide.
    assert costs[0] / costs[1] == pytest.approx((1 - math.exp(-2)) ** 4, rel=0.01)


def test_peaks_are_the_boxes_and_neighbours_are_none() -> None:
    heat, sides = maps(score=3.0)
    heat[0, 1, 3, 3] = 2.0
    heat[0, 0, 6, 6] = 1.0
    boxes, scores, labels = peaks(heat, sides, STRIDE, count=3)
    assert boxes[0, 0].tolist() == BOXES[0, 0].tolist()
    assert labels[0, :2].tolist() == [1, 0]
    assert scores[0].tolist() == pytest.approx([1 / (1 + math.exp(-3)), 1 / (1 + math.exp(-1)), 0], abs=1e-3)


def test_boxes_lie_around_the_ink_of_the_classes_asked_for() -> None:
    data = load(SCENES)
    assert [len(split["image"]) for split in data] == [40, 20, 20]
    for split in data:
        there = split["labels"] >= 0
        assert there.any(1).all() and int(split["labels"].max()) < 3
        boxes = split["boxes"][there]
        assert boxes.min() >= MARGIN and boxes.max() <= SCENES.size - MARGIN
        assert (boxes[:, 2:] > boxes[:, :2]).all()
    alone = load(DigitScenes(train=8, held_out=2, size=20, classes=1, objects=1, clutter=0, noise=0.0)).train
    for image, (box,) in zip(alone["image"], alone["boxes"].int().tolist(), strict=True):
        left, top, right, bottom = box
        inked = image[0] > 140  # paper is at most 115
        outside = inked.clone()
        outside[top:bottom, left:right] = False
        assert inked.any() and not outside.any()


def test_a_moved_scene_takes_its_boxes_along() -> None:
    image = torch.zeros(32, 1, 10, 10, dtype=torch.uint8)
    image[:, :, 3:5, 4:7] = 255
    batch = {"image": image, "boxes": torch.tensor([[[4.0, 3, 7, 5]]]).expand(32, 1, 4)}
    changed = moved(batch, torch.Generator().manual_seed(0))
    for picture, (box,) in zip(changed["image"], changed["boxes"].int().tolist(), strict=True):
        left, top, right, bottom = box
        assert picture[:, top:bottom, left:right].min() == 255
        assert int((picture > 0).sum()) == 6
    assert len(changed["boxes"].unique(dim=0)) > 10


def test_sizes_that_no_digit_fits_are_refused() -> None:
    with pytest.raises(TaskError, match="got size=8, need at least 12"):
        DigitScenes(train=1, held_out=1, size=8, classes=3, objects=1, clutter=0, noise=0.0)
    with pytest.raises(TaskError, match="got classes=11"):
        DigitScenes(train=1, held_out=1, size=20, classes=11, objects=1, clutter=0, noise=0.0)
