"""The kinds, by what makes them look ill; importing this package fills the registry."""

from benchmarks.harm.kinds import batches, frozen, models, objectives, precision, records, rules, schedules

__all__ = ["batches", "frozen", "models", "objectives", "precision", "records", "rules", "schedules"]
