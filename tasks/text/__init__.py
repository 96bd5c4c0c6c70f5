"""Text tasks, one file each."""
