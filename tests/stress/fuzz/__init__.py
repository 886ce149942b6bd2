"""Fuzzing; its targets need the extra `fuzz` (docs/decisions/0017-fuzzing.md)."""

KEY = "a signing key for fuzzing, and for nothing else"
SERVICE = "a-sister-service-s-credential-for-tests"
# Stands between the parts of an input: a byte that JSON refuses anyway.
BETWEEN = b"\x1e"
TARGETS = ("gate", "address", "cursor", "header", "folding")
