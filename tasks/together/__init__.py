"""Runs of one task that take their steps together, so that a step's Python and dispatch are paid once."""

from tasks.together.steps import Together

__all__ = ["Together"]
