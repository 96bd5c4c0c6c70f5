"""Architectures in plain torch, shared by the tasks."""
