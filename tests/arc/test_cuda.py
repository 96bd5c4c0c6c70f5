"""What only a CUDA device can show; skipped where there is none, but for the checks that run anywhere."""

from collections.abc import Callable

import pytest
import torch

from tests.arc import cuda_checks


def _named(checks: tuple[Callable[[str], None], ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@_named(cuda_checks.CHECKS)
def test_on_cuda(check: Callable[[str], None]) -> None:
    check("cuda")


@_named(cuda_checks.ANYWHERE)
def test_on_the_cpu(check: Callable[[str], None]) -> None:
    check("cpu")
