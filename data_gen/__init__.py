"""Trials of small trainings, and the labels made from them."""
