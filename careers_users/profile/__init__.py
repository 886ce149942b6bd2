"""Profiles: the directory of users, one's own profile, statistics."""
