"""Results of over a megabyte are written once per release: the history keeps every version of such a file."""

import hashlib
import re

from tests.docs.blocks import ROOT

RESULTS = ROOT / "docs" / "results"
LARGE = 1_000_000


def test_large_results_are_those_that_were_written_for_a_release() -> None:
    listed = dict(
        re.findall(r"\| `([\w.]+)` \| [\d.]+ \| `([0-9a-f]{16})` \|", (RESULTS / "README.md").read_text())
    )
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in RESULTS.rglob("*")
        if path.is_file() and path.stat().st_size > LARGE
    }
    assert found == listed
