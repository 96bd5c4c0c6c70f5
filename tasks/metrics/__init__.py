"""Metrics that need more than a line: overlap of masks, average precision of boxes."""
