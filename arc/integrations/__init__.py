"""Adapters for training frameworks; each module is imported only by name, with its own extra installed."""
