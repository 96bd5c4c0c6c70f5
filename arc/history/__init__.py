"""What is seen of a run: losses, movement of the weights, periods, features."""
