"""Labelled samples to candidate networks."""
