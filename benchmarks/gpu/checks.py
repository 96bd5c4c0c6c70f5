"""The CUDA tests: by pytest where it is installed, else one after the other."""

from __future__ import annotations

import importlib.util
import traceback
from pathlib import Path
from typing import Any

from benchmarks.gpu.job import Tell
from tests.arc import cuda_checks

FILE = Path(cuda_checks.__file__).with_name("test_cuda.py")


def run(tell: Tell, device: str) -> None:
    """A result for each check; RuntimeError if one failed."""
    installed = all(importlib.util.find_spec(name) for name in ("pytest", "hypothesis"))
    failed = by_pytest(tell) if installed and device == "cuda" else by_hand(tell, device)
    if failed:
        raise RuntimeError(f"{len(failed)} checks failed: {', '.join(failed)}")


class _Reports:
    """A plugin of pytest that tells what became of each test."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        name = report.nodeid.rpartition("::")[2]
        if report.failed:
            self.failed.append(name)
            lines = str(report.longreprtext).strip().splitlines()
            self.tell(name, f"**failed** ({report.when}): {lines[-1] if lines else '?'}", failed=True)
        elif report.skipped or report.when == "call":
            self.tell(name, report.outcome, failed=False)


def by_pytest(tell: Tell) -> list[str]:
    """The names of the tests that failed. Warnings are no errors here: a card has some of its own."""
    import pytest

    reports = _Reports(tell)
    code = pytest.main(["-q", "-p", "no:cacheprovider", "-W", "default", str(FILE)], plugins=[reports])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"pytest ended with {code!r}")
    return reports.failed


def by_hand(tell: Tell, device: str) -> list[str]:
    """The names of the checks that failed."""
    failed = []
    for check in cuda_checks.CHECKS if device == "cuda" else cuda_checks.ANYWHERE:
        try:
            check(device)
        except Exception as error:
            traceback.print_exc()
            failed.append(check.__name__)
            tell(check.__name__, f"**failed**: {type(error).__name__}: {error}", failed=True)
        else:
            tell(check.__name__, "passed", failed=False)
    return failed
