"""The kinds, by what makes them look ill; importing this package fills the registry."""

from benchmarks.harm.kinds import (
    batches,
    detectors,
    frozen,
    models,
    objectives,
    precision,
    records,
    rules,
    schedules,
)

__all__ = [
    "batches",
    "detectors",
    "frozen",
    "models",
    "objectives",
    "precision",
    "records",
    "rules",
    "schedules",
]
