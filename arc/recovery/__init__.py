"""Going back: what is normal for a run, what follows from a call, and the copies."""
