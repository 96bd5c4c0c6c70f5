"""Readers of labelled images, on tiny files in the published formats."""

import io
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from tasks import registry
from tasks.base import Source, Splits, TaskError
from tasks.data import hub, labelled_images

RNG = np.random.default_rng(0)


def flat(labels: list[int]) -> np.ndarray:
    """32 x 32 images of one colour each, whose red tells the label."""
    images = np.full((len(labels), 32, 32, 3), 50, dtype=np.uint8)
    images[..., 0] = np.array(labels)[:, None, None] * 20
    return images


def load(root: Path, **settings) -> Splits:
    settings = {"size": 8, "classes": 10, **settings}
    return labelled_images.load(Source(kind="local", path=str(root)), hub.SVHN, **settings)


def assert_labels_fit_images(data: Splits, exact: bool = True) -> None:
    for split in data:
        assert split["image"].dtype == torch.uint8 and split["image"].shape[1:] == (3, 8, 8)
        red = split["image"][:, 0].double().mean(dim=(1, 2))
        error = (red - 20 * split["label"]).abs().max()
        assert error == 0 if exact else error < 10


def write_svhn(root: Path, train: int = 20, test: int = 5) -> None:
    for split, count in (("train", train), ("test", test)):
        labels = [i % 10 for i in range(count)]
        matlab = np.array([[label or 10] for label in labels], dtype=np.uint8)
        savemat(root / f"{split}_32x32.mat", {"X": np.moveaxis(flat(labels), 0, -1), "y": matlab})


def write_cifar(root: Path) -> None:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        labels = RNG.integers(10, size=4).tolist()
        planes = flat(labels).transpose(0, 3, 1, 2).reshape(4, 3072)
        batch = {b"batch_label": name.encode(), b"data": planes, b"labels": labels}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))


def jpeg(label: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(flat([label])[0]).resize((40, 30)).save(file, "JPEG", quality=95)
    return file.getvalue()


def write_food(root: Path, *, as_text: bool = False) -> None:
    kinds = ["apple_pie", "baby_back_ribs", "waffles"]
    (root / "meta").mkdir(parents=True)
    for split, count in (("train", 8), ("test", 2)):
        listed = {kind: [f"{kind}/{split}{i}" for i in range(count)] for kind in kinds}
        if as_text:
            (root / "meta" / f"{split}.txt").write_text(
                "\n".join(name for names in listed.values() for name in names)
            )
        else:
            (root / "meta" / f"{split}.json").write_text(json.dumps(listed))
        for label, (kind, names) in enumerate(listed.items()):
            (root / "images" / kind).mkdir(parents=True, exist_ok=True)
            for name in names:
                (root / "images" / f"{name}.jpg").write_bytes(jpeg(label))


def write_parquet(root: Path, splits: dict[str, int], column: str = "image") -> None:
    root.mkdir(exist_ok=True)
    for split, count in splits.items():
        labels = [i % 7 for i in range(count)]
        images = [{"bytes": jpeg(label), "path": f"{i}.jpg"} for i, label in enumerate(labels)]
        pq.write_table(pa.table({column: images, "label": labels}), root / f"{split}-00000-of-00001.parquet")


# -- the formats -----------------------------------------------------------------------------------


def test_svhn_mat_files_and_their_label_ten(tmp_path):
    write_svhn(tmp_path)
    data = load(tmp_path)
    assert_labels_fit_images(data)
    assert [len(s["label"]) for s in data] == [18, 2, 5]
    assert data.val["label"].tolist() == [9, 9] and 0 in data.train["label"]


def test_cifar_python_batches(tmp_path):
    write_cifar(tmp_path)
    for root in (tmp_path, tmp_path / "cifar-10-batches-py"):
        data = load(root)
        assert_labels_fit_images(data)
        assert [len(s["label"]) for s in data] == [18, 2, 4]


@pytest.mark.parametrize("as_text", [False, True])
def test_food_folders_with_json_or_text_lists(tmp_path, as_text):
    write_food(tmp_path / "food-101", as_text=as_text)
    data = load(tmp_path)
    assert_labels_fit_images(data, exact=False)
    assert [len(s["label"]) for s in data] == [22, 2, 6]


@pytest.mark.parametrize("column", ["image", "img"])
def test_parquet_of_the_hub(tmp_path, column):
    write_parquet(tmp_path / "data", {"train": 20, "test": 5}, column)
    data = load(tmp_path)
    assert_labels_fit_images(data, exact=False)
    assert [len(s["label"]) for s in data] == [18, 2, 5]


def test_a_lone_validation_split_is_the_test_split(tmp_path):
    write_parquet(tmp_path, {"train": 20, "validation": 5})
    assert [len(s["label"]) for s in load(tmp_path)] == [18, 2, 5]


def test_a_published_validation_split_is_used(tmp_path):
    write_parquet(tmp_path, {"train": 20, "validation": 6, "test": 5})
    assert [len(s["label"]) for s in load(tmp_path)] == [20, 6, 5]


def test_a_limit_draws_the_same_images_each_time(tmp_path):
    write_svhn(tmp_path, train=60)
    data = load(tmp_path, limit=(12, 3, 4))
    assert [len(s["label"]) for s in data] == [12, 3, 4]
    assert data.fingerprint() == load(tmp_path, limit=(12, 3, 4)).fingerprint()
    assert len(set(data.train["label"].tolist())) > 4


# -- what is refused -------------------------------------------------------------------------------


def test_missing_directory_and_unknown_format_are_named(tmp_path):
    with pytest.raises(TaskError, match=r"no directory .*nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(TaskError, match=r"expected train_32x32.mat"):
        load(tmp_path)


def test_missing_and_damaged_files_are_named(tmp_path):
    write_svhn(tmp_path)
    (tmp_path / "test_32x32.mat").write_bytes(b"no matlab file")
    with pytest.raises(TaskError, match=r"test_32x32.mat is damaged, expected SVHN's X"):
        load(tmp_path)
    (tmp_path / "test_32x32.mat").unlink()
    with pytest.raises(TaskError, match=r"no file .*test_32x32.mat"):
        load(tmp_path)


def test_a_missing_or_cut_image_is_named(tmp_path):
    write_food(tmp_path)
    image = tmp_path / "images" / "waffles" / "test1.jpg"
    image.write_bytes(image.read_bytes()[:100])
    with pytest.raises(TaskError, match=r"waffles/test1.jpg is damaged"):
        load(tmp_path)
    image.unlink()
    with pytest.raises(TaskError, match=r"no image file .*waffles/test1.jpg"):
        load(tmp_path)


def test_parquet_without_the_columns_is_named(tmp_path):
    pq.write_table(pa.table({"picture": [1], "label": [0]}), tmp_path / "train-00000-of-00001.parquet")
    with pytest.raises(TaskError, match=r"train-.*: expected Parquet with columns image"):
        load(tmp_path)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Harmful:
        def __reduce__(self):
            return os.getcwd, ()

    write_cifar(tmp_path)
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(TaskError, match=r"data_batch_3 is damaged.*getcwd"):
        load(tmp_path)


def test_too_many_classes_are_refused_by_the_field(tmp_path):
    write_svhn(tmp_path)
    with pytest.raises(TaskError, match=r"labels from 0 to 8, .* classes=5; say settings=\{classes: 9\}"):
        load(tmp_path, classes=5, limit=None)


def test_too_few_images_are_refused(tmp_path):
    write_svhn(tmp_path, train=5)
    with pytest.raises(TaskError, match="no images for val"):
        load(tmp_path)


# -- tasks on stand-ins ----------------------------------------------------------------------------

ON_IMAGES = ["svhn_vgg", "svhn_wrn", "svhn_ecc", "svhn_adversarial", "food_densenet", "food_inception"]


@pytest.mark.parametrize("name", [*ON_IMAGES, "cifar10_resnet9"])
def test_every_image_task_takes_every_format(name, tmp_path):
    write_cifar(tmp_path)
    task = registry.get(name)
    data = task.load(Source(kind="local", path=str(tmp_path)))
    loss, _ = task.forward(task.build(), task.augment(data.train, torch.Generator()))
    assert loss.isfinite()


@pytest.mark.parametrize("folder", ["cifar10", "cifar100_food"])
@pytest.mark.skipif("ARC_DATA" not in os.environ, reason="needs the folder ARC_DATA")
def test_real_parquet(folder):
    data = registry.get("food_densenet").load(Source(kind="local", path=f"{os.environ['ARC_DATA']}/{folder}"))
    assert [len(s["label"]) for s in data] == [800, 400, 400]
    assert all(s["label"].unique().tolist() == list(range(10)) for s in data)
