"""Everything that shows a run: figures, logs, pages, the terminal."""
