"""Embedded labelled text: the docstrings of installed packages, read from their source files."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from tasks.base import TaskError

_DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def docstrings(package: str, *, shortest: int = 12) -> tuple[list[list[str]], ...]:
    """The words of every docstring: for training, validation and test, from different files.

    A file's split depends on its path only (70, 15 and 15 %). Words are lower-case runs of letters;
    the package's own name is left out, and so are docstrings of under ``shortest`` words and repeated ones.
    """
    splits: tuple[list[list[str]], ...] = ([], [], [])
    seen: set[str] = set()
    root = _source(package)
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if {"tests", "externals"} & set(name.split("/")):
            continue
        place = hashlib.sha256(name.encode()).digest()[0] / 256
        split = splits[0 if place < 0.7 else 1 if place < 0.85 else 2]
        for text in _of_file(path):
            words = [w for w in re.findall(r"[a-z]+", text.lower()) if w != package]
            if len(words) >= shortest and text not in seen:
                seen.add(text)
                split.append(words)
    return splits


def labelled(
    packages: Sequence[str], span: int, length: int, rows: int | None
) -> list[tuple[list[list[str]], list[int]]]:
    """Windows of the packages' docstrings and the packages' positions, for each split.

    Args:
        packages: equally many rows are taken of each.
        span: words of a training row.
        length: words of a validation or test row.
        rows: most training rows; validation and test have at most half as many each.
    """
    found = [docstrings(package, shortest=length) for package in packages]
    result = []
    for i, size in enumerate((span, length, length)):
        cut = [
            [text[k : k + size] for text in splits[i] for k in range(0, len(text) - size + 1, size)]
            for splits in found
        ]
        most = min(map(len, cut))
        if rows is not None:
            most = min(most, (rows if i == 0 else rows // 2) // len(packages))
        taken = [texts[k * len(texts) // most] for texts in cut for k in range(most)]
        result.append((taken, [label for label in range(len(packages)) for _ in range(most)]))
    return result


def running(package: str) -> list[list[str]]:
    """One text per split: all words of its docstrings, one after the other."""
    return [[word for text in split for word in text] for split in docstrings(package)]


def version(package: str) -> str:
    """The package's installed version, which decides its docstrings."""
    return metadata.version(_DISTRIBUTIONS.get(package, package))


def _source(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise TaskError(
            f"the embedded text is made of {package}'s docstrings: pip install 'arc-lr[pipeline]'"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _of_file(path: Path) -> Iterator[str]:
    nodes: list[ast.AST] = [ast.parse(path.read_bytes())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            nodes += node.body
            text = ast.get_docstring(node)
            if text:
                yield text
