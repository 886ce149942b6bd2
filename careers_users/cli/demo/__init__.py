"""A database full of believable people, to look at and to measure with."""
