"""Background jobs: what is done at intervals, by one process of all at a time."""
