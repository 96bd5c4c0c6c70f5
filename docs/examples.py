"""Puts the examples into the pages that show them, where a code host shows them too: python docs/examples.py

A page says which: ``<!-- examples/plain_torch.py: python docs/examples.py -->`` before a block of Python.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"(<!-- (examples/\S+\.py): python docs/examples\.py -->\n```python\n)(.*?)(```\n)", re.DOTALL
)


def shown(text: str) -> str:
    """The page's text with the examples as they are."""
    return BLOCK.sub(lambda found: found[1] + (ROOT / found[2]).read_text() + found[4], text)


if __name__ == "__main__":
    for page in (ROOT / "docs").rglob("*.md"):
        old = page.read_text()
        if (new := shown(old)) != old:
            page.write_text(new)
            print(page)
