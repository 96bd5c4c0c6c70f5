"""Sweeps: settings of tasks at many LRs, and the best LR of each."""
