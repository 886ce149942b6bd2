"""A typed client of the careers users service."""

from careers_users_client.client import CareersUsers
from careers_users_client.errors import CareersUsersError
from careers_users_client.store import MemoryStore, Tokens, TokenStore
from careers_users_client.version import __version__

__all__ = [
    "CareersUsers",
    "CareersUsersError",
    "MemoryStore",
    "TokenStore",
    "Tokens",
    "__version__",
]
