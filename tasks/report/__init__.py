"""``python -m tasks.report``: proof that each task is alive, as a table and a figure."""
