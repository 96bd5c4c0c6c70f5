"""Folders that users name."""

from __future__ import annotations

from pathlib import Path


def local(name: str, place: str | Path) -> Path:
    """``place`` as a path; ValueError where it is a URI, which would become a folder of that name here."""
    if "://" in str(place):
        raise ValueError(
            f"got {name}={place!r}, need a local folder; copy it to the store afterwards, or mount that"
        )
    return Path(place)
