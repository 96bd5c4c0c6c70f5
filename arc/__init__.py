"""ARC: an autonomous learning-rate controller for deep learning."""

from arc import weights
from arc._version import __version__
from arc.actions import Action
from arc.controller import Controller
from arc.decision import Decision
from arc.features import Period, featurise
from arc.network import Network
from arc.policy import Policy

__all__ = [
    "Action",
    "Controller",
    "Decision",
    "Network",
    "Period",
    "Policy",
    "__version__",
    "featurise",
    "weights",
]
