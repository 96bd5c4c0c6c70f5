"""From the network's answer to a move of the LR."""
