"""A database full of believable users, to look at and to measure with."""
