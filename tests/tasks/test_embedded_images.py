"""House numbers, dishes and silhouettes: made of parts that the splits do not share."""

import pytest
import torch

from tasks.data import digits, photos
from tasks.data.digits import house_numbers
from tasks.data.dishes import dishes
from tasks.data.silhouettes import silhouettes

MAKERS = [house_numbers, dishes, silhouettes]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ARC_CACHE", str(tmp_path))


@pytest.mark.parametrize("make", MAKERS)
def test_shapes_and_classes(make):
    data = make((200, 50, 40), 12)
    assert [tuple(s["image"].shape) for s in data] == [(n, 3, 12, 12) for n in (200, 50, 40)]
    assert all(s["image"].dtype == torch.uint8 and s["label"].dtype == torch.int64 for s in data)
    assert data.train["label"].unique().tolist() == list(range(10))


@pytest.mark.parametrize("make", MAKERS)
def test_another_cache_gets_the_same_images(make, tmp_path, monkeypatch):
    first = make((30, 20, 20), 10).fingerprint()
    monkeypatch.setenv("ARC_CACHE", str(tmp_path / "other"))
    assert make((30, 20, 20), 10).fingerprint() == first


@pytest.mark.parametrize("make", MAKERS)
def test_a_class_is_no_matter_of_colour(make):
    data = make((600, 20, 20), 12)
    colour = data.train["image"].float().mean(dim=(2, 3)) / 255
    means = torch.stack([colour[data.train["label"] == k].mean(0) for k in range(10)])
    assert (means - colour.mean(0)).abs().max() < 0.12


def test_splits_share_no_digits():
    parts = [digits._glyphs(split)[0].flatten(1) for split in ("train", "val", "test")]
    assert [len(p) for p in parts] == [1100, 347, 350]
    rows = [{tuple(row) for row in p.tolist()} for p in parts]
    assert not (rows[0] & rows[1] or rows[0] & rows[2] or rows[1] & rows[2])


def test_splits_share_no_photo_regions():
    parts = [photos.regions(split) for split in ("train", "val", "test")]
    assert sum(len(p) for p in parts) == 2 * (640 // photos.STRIPE)
    stripes = torch.cat(parts).flatten(1)
    assert len(stripes.unique(dim=0)) == len(stripes)


def test_crops_lie_in_the_photos_and_grow_where_they_are_too_small():
    generator = torch.Generator().manual_seed(0)
    crop = photos.crops(1, 9, "val", generator)[0]
    windows = photos.regions("val").unfold(2, 9, 1).unfold(3, 9, 1)
    assert (windows == crop[None, :, None, None]).flatten(4).all(4).all(1).any()
    assert photos.crops(2, 100, "train", generator).shape == (2, 3, 100, 100)
