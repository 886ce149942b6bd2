"""The keys that sign tokens, and what makes a token valid."""

from careers_users.keys.key_file import read_ring, write_ring
from careers_users.keys.key_ring import ALGORITHMS, Key, KeyRing, KeyRingError, new_key
from careers_users.keys.signing import TokenManager, current_keys, init_app, keyed_hash

__all__ = [
    "ALGORITHMS",
    "Key",
    "KeyRing",
    "KeyRingError",
    "TokenManager",
    "current_keys",
    "init_app",
    "keyed_hash",
    "new_key",
    "read_ring",
    "write_ring",
]
