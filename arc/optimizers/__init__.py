"""The optimizer as the controller handles it: LRs, schedulers, state."""
