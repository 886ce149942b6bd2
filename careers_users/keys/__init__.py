"""The keys that sign tokens, and the check of a token against them."""

from careers_users.keys.key_file import read_ring, write_ring
from careers_users.keys.key_ring import (
    ALGORITHMS,
    Key,
    KeyRing,
    KeyRingError,
    KeyRingNotWritten,
    new_key,
)
from careers_users.keys.signing import (
    TokenManager,
    current_keys,
    init_app,
    keyed_hash,
    share,
)

jwt = TokenManager()

__all__ = [
    "ALGORITHMS",
    "Key",
    "KeyRing",
    "KeyRingError",
    "KeyRingNotWritten",
    "current_keys",
    "init_app",
    "jwt",
    "keyed_hash",
    "new_key",
    "read_ring",
    "share",
    "write_ring",
]
