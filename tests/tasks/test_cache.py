import pytest
import torch

from tasks.base import Splits, TaskError
from tasks.data import cache


def _splits() -> Splits:
    return Splits(
        {"image": torch.arange(24, dtype=torch.uint8).view(2, 3, 4), "label": torch.tensor([0, 1])},
        {"image": torch.zeros(1, 3, 4, dtype=torch.uint8).transpose(1, 2), "label": torch.tensor([1])},
        {"image": torch.ones(1, 3, 4, dtype=torch.uint8), "label": torch.tensor([True])},
    )


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ARC_CACHE", str(tmp_path / "cache"))


def test_second_call_reads_what_the_first_built():
    calls = []
    first = cache.cached("toy", 1, lambda: calls.append(1) or _splits())
    second = cache.cached("toy", 1, lambda: calls.append(1) or _splits())
    assert calls == [1]
    assert first.fingerprint() == second.fingerprint() == _splits().fingerprint()


def test_a_new_version_is_built_anew():
    calls = []
    for version in (1, 2):
        cache.cached("toy", version, lambda: calls.append(1) or _splits())
    assert calls == [1, 1]


def test_a_damaged_file_is_built_again_and_nothing_is_left_over():
    cache.cached("toy", 1, _splits)
    (path,) = cache.directory().iterdir()
    path.write_bytes(path.read_bytes()[:50])
    assert cache.cached("toy", 1, _splits).fingerprint() == _splits().fingerprint()
    assert list(cache.directory().iterdir()) == [path]
    assert cache.cached("toy", 1, lambda: pytest.fail("built again")).train["image"].shape == (2, 3, 4)


def test_an_unwritable_directory_is_named_with_the_remedy(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ARC_CACHE", str(tmp_path / "file"))
    with pytest.raises(TaskError, match="ARC_CACHE"):
        cache.cached("toy", 1, _splits)
