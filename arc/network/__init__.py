"""The classifier and its files."""
