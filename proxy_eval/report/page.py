"""A report as a list of blocks, written as Markdown and as one HTML page without anything from outside."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Heading:
    """A title; level 1 is the page's."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph; ``code`` between backticks."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table; the first column is text, the others are numbers. ``strong``: rows set in bold."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """An image beside the page, and what it shows in words. ``wide``: a phone scrolls it, not shrinks it."""

    path: str
    alt: str
    wide: bool = False


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    texts: Sequence[str]


@dataclass(frozen=True)
class Fold:
    """Blocks that are shown on demand."""

    title: str
    blocks: Sequence[Block]


Block = Heading | Text | Table | Figure | Items | Fold


def markdown(blocks: Sequence[Block]) -> str:
    """The blocks as Markdown; images stay files."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Items(texts):
            return "\n".join(f"- {text}" for text in texts)
        case Figure(path, alt, _):
            return f"![{alt}]({path})"
        case Fold(title, blocks):
            inner = "\n\n".join(_markdown(block) for block in blocks)
            return f'<details markdown="1">\n<summary>{title}</summary>\n\n{inner}\n\n</details>'
        case Table(header, rows, strong):
            lines = ["| " + " | ".join(header) + " |", "|---" + "|--:" * (len(header) - 1) + "|"]
            for i, row in enumerate(rows):
                first = f"**{row[0]}**" if i in strong else row[0]
                lines.append("| " + " | ".join([first, *row[1:]]) + " |")
            return "\n".join(lines)


_STYLE = """
body{font:16px/1.55 system-ui,sans-serif;color:#1a1a1a;background:#fff;
margin:0 auto;max-width:80rem;padding:1rem}
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.25rem;margin-top:2.5rem}h3{font-size:1.05rem;margin-top:2rem}
p{max-width:48rem}code{background:#f0f0f0;padding:.1em .3em;border-radius:3px;overflow-wrap:anywhere}
.wide{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .55rem;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}
th{vertical-align:bottom;white-space:normal;min-width:3.6rem;border-bottom:2px solid #888}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:#fff;
min-width:8rem;max-width:14rem;white-space:normal}
tr.strong td{font-weight:600;background:#eef4fa}
img{width:100%;max-width:1040px;height:auto;display:block}
.wide img{min-width:640px}.whole img{max-width:760px}
ul{padding-left:1.2rem;max-width:48rem}
"""


def html_page(blocks: Sequence[Block], folder: Path) -> str:
    """The blocks as one HTML page, images inside it.

    Args:
        blocks: of the report.
        folder: where the images' paths begin.
    """
    title = next((b.text for b in blocks if isinstance(b, Heading)), "Report")
    body = "\n".join(_html(block, folder) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _html(block: Block, folder: Path) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_inline(text)}</h{level}>"
        case Text(text):
            return f"<p>{_inline(text)}</p>"
        case Items(texts):
            return "<ul>" + "".join(f"<li>{_inline(text)}</li>" for text in texts) + "</ul>"
        case Figure(path, alt, wide):
            data = base64.b64encode((folder / path).read_bytes()).decode()
            image = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
            return f'<div class="{"wide" if wide else "whole"}">{image}</div>'
        case Fold(title, blocks):
            inner = "\n".join(_html(block, folder) for block in blocks)
            return f"<details><summary>{_inline(title)}</summary>\n{inner}</details>"
        case Table(header, rows, strong):
            head = "".join(f"<th>{_inline(cell)}</th>" for cell in header)
            lines = [
                ('<tr class="strong">' if i in strong else "<tr>")
                + "".join(f"<td>{_inline(cell)}</td>" for cell in row)
                + "</tr>"
                for i, row in enumerate(rows)
            ]
            body = "\n".join(lines)
            table = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
            return f'<div class="wide"><table>\n{table}</table></div>'


def _inline(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text, quote=False))
