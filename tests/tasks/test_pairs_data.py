import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.base import Source, TaskError
from tasks.data import glyphs, omniglot, pairs


def write(root: Path, alphabets: list[str], value: int = 0) -> None:
    """Two characters with three drawings each; ink in a row of the character's own."""
    for a, alphabet in enumerate(alphabets):
        for character in range(2):
            for drawing in range(3):
                page = np.full((8, 8), 255, dtype=np.uint8)
                page[2 * (a % 2) + character] = value
                path = root / alphabet / f"character{character + 1:02d}" / f"{a:04d}_{drawing:02d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(page).convert("1").save(path)


def load(path: Path) -> object:
    return omniglot.load(Source(kind="local", path=str(path)), train=6, held_out=4, size=8)


def test_folders_and_zips_give_the_same_pairs(tmp_path: Path) -> None:
    folder, zipped = tmp_path / "folder", tmp_path / "zipped"
    write(folder / "images_background", ["A", "B", "C", "D", "E"])
    zipped.mkdir()
    with zipfile.ZipFile(zipped / "images_background.zip", "w") as archive:
        for path in sorted(folder.glob("**/*.png")):
            archive.write(path, path.relative_to(folder))
    source = Source(kind="local", path=str(folder))
    splits = omniglot.load(source, train=6, held_out=4, size=8)
    other = omniglot.load(Source(kind="local", path=str(zipped)), train=6, held_out=4, size=8)
    assert splits.fingerprint() == other.fingerprint()
    for split in splits:
        assert split["left"].max() == 255  # ink
        equal = (split["left"] == split["right"]).flatten(1).all(1)
        assert torch.equal(equal, split["same"] == 1)


def test_the_evaluation_set_is_held_out(tmp_path: Path) -> None:
    write(tmp_path / "images_background", ["A", "B", "C"])
    write(tmp_path / "images_evaluation", ["D", "E"], value=255)  # blank
    splits = omniglot.load(Source(kind="local", path=str(tmp_path)), train=4, held_out=2, size=8)
    assert [int(s["left"].max()) for s in splits] == [255, 0, 0]


def test_damaged_and_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="need three at least"):
        load(tmp_path)
    (tmp_path / "images_background.zip").write_bytes(b"no zip")
    with pytest.raises(TaskError, match=r"images_background\.zip is damaged"):
        load(tmp_path)
    with pytest.raises(TaskError, match="brendenlake/omniglot"):
        omniglot.load(Source(kind="hub"), train=1, held_out=1, size=8)


def test_scripts_of_the_splits_are_disjoint() -> None:
    seen: set[int] = set()
    for scripts in glyphs.SCRIPTS.values():
        codes = {c for first, last in scripts.values() for c in range(first, last + 1)}
        assert not codes & seen
        seen |= codes


def test_embedded_glyphs_are_balanced_and_inked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        glyphs,
        "SCRIPTS",
        {"train": {"latin": (0x61, 0x66)}, "val": {"x": (0x391, 0x393)}, "test": {"y": (0x410, 0x412)}},
    )
    monkeypatch.setenv("ARC_CACHE", str(tmp_path))
    splits = glyphs.load(train=16, held_out=8, size=16)
    for split in splits:
        assert split["same"].mean() == 0.5
        assert (split["left"].flatten(1).max(1).values > 128).all()
    # Both drawings of a character differ in font or warp.
    assert not (splits.train["left"] == splits.train["right"]).flatten(1).all(1).any()


def test_warps_are_small_and_random() -> None:
    images = torch.zeros(200, 1, 21, 21, dtype=torch.uint8)
    images[:, :, 8:13, 8:13] = 255
    changed = pairs.warped(images, torch.Generator().manual_seed(0))
    assert changed.dtype == torch.uint8
    assert (changed[:, 0, 10, 10] > 200).all()
    same = (changed == images).flatten(1).all(1).float().mean()
    assert 0 < same < 0.1  # seven changes, each with probability one half


@pytest.mark.skipif("ARC_DATA" not in os.environ, reason="needs ARC_DATA")
def test_real_omniglot() -> None:
    source = Source(kind="local", path=str(Path(os.environ["ARC_DATA"]) / "omniglot"))
    train, val, test = omniglot.load(source, train=32, held_out=16, size=28)
    assert train["left"].shape == (32, 1, 28, 28)
    assert 0.02 < val["left"].float().mean() / 255 < 0.3
    assert len(test["same"]) == 16
