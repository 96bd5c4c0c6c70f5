"""A unit of the comparison on the tiny task."""

from __future__ import annotations

from typing import Any

from proxy_eval import methods
from proxy_eval.comparison_run import ComparisonUnit
from proxy_eval.plan import settings_of
from tasks.base import Source
from tests.conftest import TINY


def unit(method: str = "constant", **changed: Any) -> ComparisonUnit:
    options = changed.pop("options", {})
    made: dict[str, Any] = {
        "label": method,
        "method": method,
        "options": options,
        "identity": methods.identity(method, options),
        "task": TINY,
        "scale": "mini",
        "source": Source(),
        "fingerprint": "f",
        "settings": settings_of(TINY, "mini"),
        "optimizer": "adam",
        "lr0": 0.03,
        "start_lr": 1e-3,
        "seed": 0,
        "base_seed": 0,
        "horizon": 1.0,
        "epochs": 6,
        "epoch_steps": None,
        "device": "cpu",
        "out": "runs",
    }
    return ComparisonUnit(**made | changed)
