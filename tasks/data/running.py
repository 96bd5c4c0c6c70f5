"""Running text from disk: a play, the Penn Treebank, WikiText, any directory of text files."""

from __future__ import annotations

from pathlib import Path

from tasks.base import Source, TaskError

_SUFFIXES = {".txt", ".tokens"}


def load(source: Source, where: str) -> tuple[str, str, str]:
    """Training, validation and test text of the ``.txt`` or ``.tokens`` files in a directory.

    A file belongs to the split that its name holds (``ptb.train.txt``, ``wiki.valid.tokens``,
    ``test.txt``). Where there is no training file, the validation file or the only file takes its
    place; a split without a file is the last tenth of the training text that is left.

    Args:
        source: ``local``; TaskError otherwise.
        where: the place to download from, for the message.
    """
    if source.kind != "local" or source.path is None:
        raise TaskError(
            f"this text is on no hub as Parquet; download {where} and pass data=local data_dir=..."
        )
    root = Path(source.path)
    files = sorted(p for p in root.glob("*") if p.suffix in _SUFFIXES)
    by_split = {split: [p for p in files if split in p.name] for split in ("train", "valid", "test")}
    if not files:
        raise TaskError(f"no .txt or .tokens file in {root}, expected {where}")
    order = [by_split["train"], by_split["valid"], files if len(files) == 1 else []]
    chosen = next((found for found in order if found), None)
    if chosen is None:
        names = ", ".join(p.name for p in files)
        raise TaskError(f"got {names} in {root}, need one file or names with train, valid and test")
    train = _read(chosen[0])
    held_out = []
    for split in ("test", "valid"):
        if by_split[split] and by_split[split] != chosen:
            held_out.append(_read(by_split[split][0]))
        else:
            train, rest = train[: len(train) * 9 // 10], train[len(train) * 9 // 10 :]
            held_out.append(rest)
    test, val = held_out
    return train, val, test


def words(source: Source, where: str) -> list[list[str]]:
    """The words of each text of :func:`load`; the end of a line is one too, ``<eos>``."""
    return [text.replace("\n", " <eos> ").split() for text in load(source, where)]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TaskError(f"{path} is damaged, expected UTF-8 text ({error})") from error
