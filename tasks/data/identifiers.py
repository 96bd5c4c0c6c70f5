"""Embedded tagging data: names in the standard library's source, tagged with their role."""

from __future__ import annotations

import ast
import hashlib
import io
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tasks.data.tagged import Sentence

_SKIPPED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}
_KINDS = {tokenize.STRING: "<string>", tokenize.NUMBER: "<number>", tokenize.NEWLINE: "<line>"}


def load(span: int, length: int, rows: int) -> tuple[list[Sentence], list[Sentence], list[Sentence]]:
    """``rows`` training sentences, and half as many each for validation and test, of different modules.

    A sentence is ``length`` tokens in a row (``span`` in training). Tags follow the BIO scheme, and a
    dotted name is one span. The roles: ``call``, ``read`` and ``assigned`` names, ``definition`` of a
    function or class, ``parameter``, ``keyword`` argument and imported ``module``.
    """
    splits: tuple[list[Sentence], list[Sentence], list[Sentence]] = ([], [], [])
    wanted = (rows, rows // 2, rows // 2)
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        place = hashlib.sha256(path.name.encode()).digest()[0] / 256
        i = 0 if place < 0.6 else 1 if place < 0.8 else 2
        if len(splits[i]) < 4 * wanted[i]:
            source = path.read_bytes()
            if not source.isascii():  # ast counts bytes, tokenize counts characters
                continue
            words, tags = tagged(source.decode())
            size = length if i else span
            ends = range(size, len(words) + 1, size)
            splits[i].extend((words[e - size : e], tags[e - size : e]) for e in ends)
    train, val, test = (
        [s[k * len(s) // n] for k in range(n)] if len(s) > n else s
        for s, n in zip(splits, wanted, strict=True)
    )
    return train, val, test


def tagged(source: str) -> Sentence:
    """The tokens of a module and the tag of each."""
    roles = {(line, column): (end, role) for line, column, end, role in _names(ast.parse(source))}
    words: list[str] = []
    tags: list[str] = []
    end, role = (0, 0), "O"
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in _SKIPPED:
            continue
        if words and words[-1] in ("def", "class"):
            tags.append("B-definition")
        elif token.start < end:
            tags.append(f"I-{role}")
        elif token.type == tokenize.NAME and token.start in roles:
            end, role = roles[token.start]
            tags.append(f"B-{role}")
        else:
            tags.append("O")
        words.append(_KINDS.get(token.type, token.string))
    return words, tags


def _names(node: ast.AST, role: str | None = None) -> Iterator[tuple[int, int, tuple[int, int], str]]:
    """Line, column, end and role of every name below a node."""
    if isinstance(node, ast.Name | ast.Attribute) and _is_dotted(node):
        assert node.end_lineno is not None and node.end_col_offset is not None
        role = role or ("read" if isinstance(node.ctx, ast.Load) else "assigned")
        yield node.lineno, node.col_offset, (node.end_lineno, node.end_col_offset), role
        return
    named = {ast.arg: ("arg", "parameter"), ast.keyword: ("arg", "keyword"), ast.alias: ("name", "module")}
    if isinstance(node, ast.arg | ast.keyword | ast.alias):
        attribute, role = named[type(node)]
        name = getattr(node, attribute)
        if name is not None:  # None: the ** of f(**options)
            yield node.lineno, node.col_offset, (node.lineno, node.col_offset + len(name)), role
    for child in ast.iter_child_nodes(node):
        yield from _names(child, "call" if isinstance(node, ast.Call) and child is node.func else None)


def _is_dotted(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_dotted(node.value))
