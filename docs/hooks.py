"""Pages that are not there yet stay out of the navigation; docstrings lose their roles (``:meth:``)."""

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError


def on_config(config: Any) -> Any:
    """Keep the entries whose file exists."""
    config["nav"] = _existing(config["nav"], Path(config["docs_dir"]))
    return config


def on_page_content(html: str, **_: Any) -> str:
    """Docstrings are written for ``help()``: the roles around a name are no Markdown."""
    return re.sub(r":(?:meth|class|func|mod|data|attr):\s*<code>[~!]?", "<code>", html)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """The guide is read from disk, too: nothing in it may come from elsewhere."""
    if fetched := re.search(r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="?https?:[^">]*', output):
        raise PluginError(f"{page.file.src_uri} fetches {fetched[0]}")
    return output


def _existing(entries: list[dict[str, Any]], docs: Path) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    for entry in entries:
        for title, what in entry.items():
            if isinstance(what, list):
                kept += [{title: inner}] if (inner := _existing(what, docs)) else []
            elif (docs / what).is_file():
                kept.append({title: what})
    return kept
