"""ARC: an autonomous learning-rate controller for deep learning.

Names are imported on first use: ``arc.advise`` and ``arc.featurise`` work without torch.
"""

import importlib
from typing import TYPE_CHECKING

from arc._version import __version__

if TYPE_CHECKING:
    from arc import weights
    from arc.actions import Action
    from arc.advice import advise
    from arc.controller import Controller
    from arc.decision import Decision
    from arc.history.features import Period, featurise
    from arc.integrations.scheduler import Scheduler
    from arc.methods.lr_search import suggest as suggest_lr
    from arc.network.network import Network
    from arc.policy.default import Policy

__all__ = [
    "Action",
    "Controller",
    "Decision",
    "Network",
    "Period",
    "Policy",
    "Scheduler",
    "__version__",
    "advise",
    "featurise",
    "suggest_lr",
    "weights",
]

_HOMES = {
    "Action": "arc.actions",
    "Controller": "arc.controller",
    "Decision": "arc.decision",
    "Network": "arc.network.network",
    "Period": "arc.history.features",
    "Policy": "arc.policy.default",
    "Scheduler": "arc.integrations.scheduler",
    "advise": "arc.advice",
    "featurise": "arc.history.features",
}


def __getattr__(name: str) -> object:
    if name == "suggest_lr":
        found: object = importlib.import_module("arc.methods.lr_search").suggest
    elif name == "weights":
        found = importlib.import_module("arc.weights")
    elif name in _HOMES:
        found = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'arc' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
