"""Tasks that are neither vision nor text, one file each."""
