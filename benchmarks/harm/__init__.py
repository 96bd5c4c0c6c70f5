"""Healthy trainings that look ill: what a controller must leave alone."""
