import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from tasks.base import Source, TaskError
from tasks.data import masks, objects


def png(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def encoded(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def left_half(value: int, size: int = 8) -> np.ndarray:
    mask = np.zeros((size, size), dtype=np.uint8)
    mask[:, : size // 2] = value
    return mask


@pytest.fixture
def cub(tmp_path: Path) -> Path:
    root = tmp_path / "CUB_200_2011"
    lines: dict[str, list[str]] = {"images": [], "image_class_labels": [], "train_test_split": []}
    for i in range(1, 16):
        name = f"{1 + i % 2:03d}.Bird/Bird_{i:04d}"
        png(root / "images" / f"{name}.jpg", np.full((10, 12, 3), i, dtype=np.uint8))
        png(root / "segmentations" / f"{name}.png", left_half(204))
        lines["images"].append(f"{i} {name}.jpg")
        lines["image_class_labels"].append(f"{i} {1 + i % 2}")
        lines["train_test_split"].append(f"{i} {int(i <= 12)}")
    for key, rows in lines.items():
        (root / f"{key}.txt").write_text("\n".join(rows) + "\n")
    return tmp_path


def load(path: Path, **changes: int) -> object:
    return masks.load(Source(kind="local", path=str(path)), **{"size": 4, "classes": 2, **changes})


def test_cub_follows_the_official_split(cub: Path) -> None:
    train, val, test = masks.load(Source(kind="local", path=str(cub)), size=4, classes=2)
    assert [len(s["image"]) for s in (train, val, test)] == [11, 1, 3]
    assert test["label"].tolist() == [1, 0, 1]
    assert train["image"].shape == (11, 3, 4, 4)
    assert train["mask"][0].tolist() == [[1, 1, 0, 0]] * 4


def test_cub_names_what_is_missing_or_damaged(cub: Path) -> None:
    damaged = cub / "CUB_200_2011/images/002.Bird/Bird_0003.jpg"
    damaged.write_bytes(b"\xff\xd8 no image")
    with pytest.raises(TaskError, match=r"Bird_0003\.jpg is damaged, expected a PNG or JPEG"):
        load(cub)
    damaged.unlink()
    with pytest.raises(TaskError, match=r"no image file .*Bird_0003\.jpg"):
        load(cub)
    (cub / "CUB_200_2011/train_test_split.txt").unlink()
    with pytest.raises(TaskError, match=r"no file .*train_test_split\.txt"):
        load(cub)


def test_montgomery_joins_both_lungs(tmp_path: Path) -> None:
    for i in range(10):
        png(tmp_path / f"CXR_png/MCUCXR_{i:04d}_0.png", np.full((8, 8), 10 * i, dtype=np.uint8))
        png(tmp_path / f"ManualMask/leftMask/MCUCXR_{i:04d}_0.png", left_half(255))
        right = left_half(255)[:, ::-1] * (np.arange(8) < 4)[:, None].astype(np.uint8)
        png(tmp_path / f"ManualMask/rightMask/MCUCXR_{i:04d}_0.png", np.ascontiguousarray(right))
    source = Source(kind="local", path=str(tmp_path))
    train, val, test = masks.load(source, size=4, classes=2, channels=1)
    assert [s["image"].float().mean().item() for s in (val, test)] == [80, 90]
    assert train["image"].shape == (8, 1, 4, 4)
    assert train["mask"][0].tolist() == [[1, 1, 1, 1]] * 2 + [[1, 1, 0, 0]] * 2


def test_parquet_without_held_out_files_gives_its_last_rows(tmp_path: Path) -> None:
    rows = [
        {
            "image": {"bytes": encoded(np.full((8, 8), i, dtype=np.uint8))},
            "mask": {"bytes": encoded(left_half(255))},
        }
        for i in range(20)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train-00000-of-00001.parquet")
    train, val, test = masks.load(Source(kind="local", path=str(tmp_path)), size=8, classes=2, channels=1)
    assert [len(s["image"]) for s in (train, val, test)] == [16, 2, 2]
    assert val["image"][0, 0, 0, 0] == 16
    assert test["mask"].unique().tolist() == [0, 1]


def test_too_many_classes_are_refused(tmp_path: Path) -> None:
    rows = [{c: {"bytes": encoded(left_half(7))} for c in ("image", "mask")} for _ in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet")
    with pytest.raises(TaskError, match=r"classes up to 7, .* classes=2; say settings=\{classes: 8\}"):
        load(tmp_path)


def test_labels_beside_the_masks_come_from_a_column_where_a_task_needs_them(tmp_path: Path) -> None:
    rows = [{c: {"bytes": encoded(left_half(255))} for c in ("image", "mask")} for _ in range(4)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet")
    with pytest.raises(TaskError, match=r"no labels, which the task needs .*image, mask and label"):
        load(tmp_path, labels=3)
    labelled = [row | {"label": i} for i, row in enumerate(rows)]
    pq.write_table(pa.Table.from_pylist(labelled), tmp_path / "train.parquet")
    splits = masks.load(Source(kind="local", path=str(tmp_path)), size=4, classes=2, labels=4)
    assert [s["label"].tolist() for s in splits] == [[0, 1], [2], [3]]
    with pytest.raises(TaskError, match=r"labels up to 3, .* labels=3; say settings=\{labels: 4\}"):
        load(tmp_path, labels=3)


def test_an_unknown_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="expected CUB_200_2011"):
        load(tmp_path)
    with pytest.raises(TaskError, match="download CUB"):
        masks.load(Source(kind="hub"), size=4, classes=2)


def test_mirroring_moves_image_and_mask_together() -> None:
    image = torch.arange(4, dtype=torch.uint8).view(1, 1, 1, 4).expand(64, 1, 4, 4)
    batch = {"image": image, "mask": image[:, 0]}
    changed = masks.mirrored(batch, torch.Generator().manual_seed(0))
    assert torch.equal(changed["image"][:, 0], changed["mask"])
    assert 0 < (changed["image"] != image).flatten(1).any(1).sum() < 64


def test_boxes_and_masks_of_a_scene_agree() -> None:
    scenes = objects.Scenes(train=20, held_out=4, size=24, classes=3, objects=1)
    train, val, _ = objects.load(scenes)
    for mask, boxes, labels in zip(train["mask"], train["boxes"], train["labels"], strict=True):
        rows, columns = torch.nonzero(mask == labels[0] + 1, as_tuple=True)
        edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert boxes[0].tolist() == [float(e) for e in edges]
        assert mask.unique().tolist() == [0, int(labels[0]) + 1]
    assert not torch.equal(train["image"][:4], val["image"])
    assert objects.load(scenes).fingerprint() == objects.load(scenes).fingerprint()


@pytest.mark.skipif("ARC_DATA" not in os.environ, reason="needs ARC_DATA")
@pytest.mark.parametrize(("name", "classes", "channels"), [("camvid_small", 12, 3), ("membrane", 2, 1)])
def test_real_masks(name: str, classes: int, channels: int) -> None:
    source = Source(kind="local", path=str(Path(os.environ["ARC_DATA"]) / name))
    for split in masks.load(source, size=32, classes=classes, channels=channels):
        assert split["image"].shape[1:] == (channels, 32, 32)
        assert split["mask"].max() == classes - 1
