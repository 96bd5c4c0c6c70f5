"""The navigation names every page that there may be; results that were not made yet are left out of it."""

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """Keep the entries whose file exists."""
    config["nav"] = _existing(config["nav"], Path(config["docs_dir"]))
    return config


def _existing(entries: list[dict[str, Any]], docs: Path) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    for entry in entries:
        for title, what in entry.items():
            if isinstance(what, list):
                kept += [{title: inner}] if (inner := _existing(what, docs)) else []
            elif (docs / what).is_file():
                kept.append({title: what})
    return kept
