"""Labelled samples to candidate networks."""

import tasks  # noqa: F401 (says what is missing, before anything else does)
