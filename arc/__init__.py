"""ARC: an autonomous learning-rate controller for deep learning."""

from arc._version import __version__
from arc.actions import Action
from arc.features import Period, featurise
from arc.network import Network

__all__ = ["Action", "Network", "Period", "__version__", "featurise"]
