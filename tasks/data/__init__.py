"""Readers of real data sets, and the builders of the embedded ones."""
