"""Candidates to the winner, and methods to a comparison."""
