"""Trials of small trainings, and the labels made from them."""

import tasks  # noqa: F401 (says what is missing, before anything else does)
