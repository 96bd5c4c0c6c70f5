"""The learning-rate methods of the literature, each usable alone on any torch run."""
