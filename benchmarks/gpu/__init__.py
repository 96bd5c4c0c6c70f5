"""Everything of the project that needs a GPU, in one command that stops by itself."""
