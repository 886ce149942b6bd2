"""Changing a password: the old one is asked for, and every session ends."""
