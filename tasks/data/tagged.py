"""Sentences with a BIO tag per word: MIT Movie ``.bio`` files, CoNLL files, and their tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.base import Batch, Source, Splits, TaskError
from tasks.data import text
from tasks.metrics.spans import IGNORED
from tasks.nets.bert import word_pieces

Sentence = tuple[list[str], list[str]]
"""The words, and the tag of each: ``O``, or ``B-`` or ``I-`` with the type of a span."""

_TAG = re.compile(r"O|[BI]-\S+")
_EXPECTED = (
    "engtrain.bio and engtest.bio from https://groups.csail.mit.edu/sls/downloads/movie/, or CoNLL files "
    "with a word and its tag per line"
)


def load(source: Source) -> tuple[list[Sentence], list[Sentence], list[Sentence]]:
    """Training, validation and test sentences of the ``.bio``, ``.conll`` or ``.txt`` files in a directory.

    A file belongs to the split that its name holds; without a file, validation and test are every
    tenth sentence of the others.

    Raises:
        TaskError: no such file, or a line that is no word and tag.
    """
    if source.kind != "local" or source.path is None:
        raise TaskError(
            f"this corpus is on no hub as Parquet; download {_EXPECTED} and pass data=local data_dir=..."
        )
    root = Path(source.path)
    files = sorted(p for p in root.glob("*") if p.suffix in (".bio", ".conll", ".txt"))
    found: dict[str, list[Sentence]] = {"train": [], "valid": [], "test": []}
    for path in files:
        name = path.name.replace("dev", "valid")
        split = next((s for s in ("test", "valid") if s in name), "train")
        found[split] += read(path)
    if not found["train"]:
        raise TaskError(f"no tagged sentences in {root}, expected {_EXPECTED}")
    for split, place in (("test", 9), ("valid", 8)):
        if not found[split]:
            found[split] = found["train"][place :: place + 1]
            found["train"] = [s for i, s in enumerate(found["train"]) if i % (place + 1) != place]
    return found["train"], found["valid"], found["test"]


def read(path: Path) -> list[Sentence]:
    """The sentences of one file; the tag is the first column (MIT Movie) or the last one (CoNLL)."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    tag_first = all(_TAG.fullmatch(row[0]) for row in rows if row)
    sentences: list[Sentence] = [([], [])]
    for number, row in enumerate(rows, 1):
        if not row or row[0] == "-DOCSTART-":
            sentences.append(([], []))
            continue
        word, tag = (row[-1], row[0]) if tag_first else (row[0], row[-1])
        if len(row) < 2 or not _TAG.fullmatch(tag):
            raise TaskError(
                f"{path}:{number} is {' '.join(row)!r}, expected a word and a tag such as O or B-YEAR"
            )
        sentences[-1][0].append(word)
        sentences[-1][1].append(tag)
    return [s for s in sentences if s[0]]


def tag_ids(sentences: Sequence[Sentence], types: int) -> dict[str, int]:
    """0 for ``O``; 2k + 1 for ``B-`` and 2k + 2 for ``I-`` with the k-th type in alphabetical order.

    TaskError where the sentences have more types than ``types``.
    """
    known = sorted({tag[2:] for _, tags in sentences for tag in tags if tag != "O"})
    if len(known) > types:
        raise TaskError(
            f"the data has {len(known)} types of span, the task has types={types}; "
            f"say settings={{types: {len(known)}}}"
        )
    return {"O": 0} | {
        f"{p}-{name}": 2 * k + j for k, name in enumerate(known) for j, p in ((1, "B"), (2, "I"))
    }


def tensors(
    sentences: Sequence[Sentence],
    ids: dict[str, int],
    pieces: Callable[[str], Sequence[int]],
    length: int,
    ends: tuple[int, int] | None = None,
) -> Batch:
    """``text`` int32 and ``label`` int32, both (rows, length); a word's label is at its first piece.

    Args:
        sentences: rows, cut at ``length``.
        ids: of the tags.
        pieces: a word's token ids.
        length: of a row.
        ends: ids put before and after each sentence (BERT's ``[CLS]`` and ``[SEP]``).
    """
    texts: list[list[int]] = []
    labels: list[list[int]] = []
    room = length - 2 * (ends is not None)
    for words, tags in sentences:
        row: list[int] = []
        label: list[int] = []
        for word, tag in zip(words, tags, strict=True):
            found = list(pieces(word))
            row += found
            label += [ids.get(tag, IGNORED)] + [IGNORED] * (len(found) - 1)
        row, label = row[:room], label[:room]
        if ends is not None:
            row, label = [ends[0], *row, ends[1]], [IGNORED, *label, IGNORED]
        texts.append(row)
        labels.append(label)
    return {"text": text.padded(texts, length), "label": text.padded(labels, length, IGNORED)}


def splits(
    sentences: Sequence[Sequence[Sentence]],
    *,
    lengths: Sequence[int],
    types: int,
    vocabulary: int,
    pretrained: str | None,
) -> Splits:
    """The tensors of training, validation and test sentences.

    Args:
        sentences: of each split.
        lengths: of each split's rows.
        types: most types of span.
        vocabulary: ids of whole words, where there is no ``pretrained``.
        pretrained: the BERT whose word pieces are taken.
    """
    ends = None
    if pretrained is not None:
        pieces, ends = word_pieces(pretrained)
    else:
        ids = text.vocabulary((word for words, _ in sentences[0] for word in words), vocabulary)

        def pieces(word: str) -> Sequence[int]:
            return text.encode([word], ids)

    tags = tag_ids([s for split in sentences for s in split], types)
    train, val, test = (tensors(s, tags, pieces, n, ends) for s, n in zip(sentences, lengths, strict=True))
    return text.disjoint(train, val, test)
