"""Embedded running text: the language reference that CPython ships in ``pydoc_data.topics``."""

from __future__ import annotations

import hashlib


def texts() -> tuple[str, str, str]:
    """Training, validation and test text, from different topics (70, 15 and 15 % of them).

    Topics repeat each other's paragraphs, so each paragraph is kept once, in the first topic by name
    that has it. A topic's split depends on its name only.
    """
    from pydoc_data.topics import topics

    seen: set[str] = set()
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name, text in sorted(topics.items()):
        place = hashlib.sha256(name.encode()).digest()[0] / 256
        part = parts[0 if place < 0.7 else 1 if place < 0.85 else 2]
        for paragraph in text.split("\n\n"):
            if paragraph.strip() and paragraph not in seen:
                seen.add(paragraph)
                part.append(paragraph)
    train, val, test = ("\n\n".join(part) for part in parts)
    return train, val, test
