"""Labelled texts from disk or from the hub: IMDB reviews, or anything in one of their two formats."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow
import pyarrow.parquet

from tasks.base import Source, TaskError
from tasks.data import hub

LabelledTexts = tuple[list[list[str]], list[int]]
"""The words of every text, and its label."""

_EXPECTED = (
    "the folders train/pos, train/neg, test/pos and test/neg of aclImdb_v1.tar.gz "
    "(https://ai.stanford.edu/~amaas/data/sentiment/), or train*.parquet and test*.parquet with columns "
    "text and label"
)


def words(text: str) -> list[str]:
    """Lower-case words of letters and apostrophes; line-break tags are dropped."""
    return re.findall(r"[a-z']+", text.lower().replace("<br />", " "))


def load(source: Source) -> tuple[LabelledTexts, LabelledTexts, LabelledTexts]:
    """Training, validation (every tenth training text) and test texts with labels 0 and 1.

    Raises:
        TaskError: a file or folder is missing or damaged, a split has no text, or there is another label.
    """
    root = Path(source.path or "")
    if source.kind == "hub":
        given, test = _from_hub()
    elif not root.is_dir():
        raise TaskError(f"no directory {root}, expected one with {_EXPECTED}")
    elif list(root.rglob("*.parquet")):
        given, test = (_from_parquet(root, split) for split in ("train", "test"))
    else:
        folder = root / "aclImdb" if (root / "aclImdb").is_dir() else root
        given, test = (_from_folders(folder / split) for split in ("train", "test"))
    training = [i for i in range(len(given[0])) if i % 10 != 9]
    held_out = range(9, len(given[0]), 10)
    train, val = (([given[0][i] for i in rows], [given[1][i] for i in rows]) for rows in (training, held_out))
    return train, val, test


def _labelled(texts: Iterable[str], labels: Iterable[int], place: str) -> LabelledTexts:
    found = [words(text) for text in texts], [int(label) for label in labels]
    if not found[0]:
        raise TaskError(f"no texts in {place}, expected {_EXPECTED}")
    if other := set(found[1]) - {0, 1}:
        raise TaskError(f"got the label {min(other)} in {place}, need 0 and 1")
    return found


def _from_folders(folder: Path) -> LabelledTexts:
    files = [(path, label) for label, name in enumerate(("neg", "pos")) for path in _texts(folder / name)]
    return _labelled((p.read_text(encoding="utf-8") for p, _ in files), (k for _, k in files), str(folder))


def _texts(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.txt"))
    if not found:
        raise TaskError(f"no text files in {folder}, expected {_EXPECTED}")
    return found


def _from_parquet(root: Path, split: str) -> LabelledTexts:
    files = sorted(root.rglob(f"{split}*.parquet"))
    if not files:
        raise TaskError(f"no file {split}*.parquet below {root}, expected {_EXPECTED}")
    texts: list[str] = []
    labels: list[int] = []
    for file in files:
        try:
            table = pyarrow.parquet.read_table(file, columns=["text", "label"])
            texts += table["text"].to_pylist()
            labels += table["label"].to_pylist()
        except (pyarrow.ArrowException, KeyError, OSError) as error:
            raise TaskError(f"{file} is damaged, expected columns text and label ({error})") from error
    return _labelled(texts, labels, str(root))


def _from_hub() -> list[LabelledTexts]:
    found, names = hub.splits(hub.IMDB), (hub.IMDB.inputs, hub.IMDB.label)
    columns = [[found[split][name] for name in names] for split in ("train", "test")]
    return [_labelled(texts, labels, hub.IMDB.id) for texts, labels in columns]
