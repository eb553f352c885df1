"""One module a command; each imports what is heavy inside its function, so that ``--help`` stays quick."""
