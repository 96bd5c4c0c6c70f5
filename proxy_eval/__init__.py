"""Candidates to the winner, and methods to a comparison."""

import tasks  # noqa: F401 (says what is missing, before anything else does)
