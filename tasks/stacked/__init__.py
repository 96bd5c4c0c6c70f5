"""Many runs of one task as one training on one device: for cards, where a small network is all overhead."""

from tasks.stacked.lockstep import in_lockstep
from tasks.stacked.stack import Stack

__all__ = ["Stack", "in_lockstep"]
