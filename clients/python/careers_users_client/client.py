"""The client: one method per call of the service."""

from typing import Self

import httpx

from careers_users_client.account import AccountCalls
from careers_users_client.connection import Connection
from careers_users_client.follows import BlockCalls, FollowCalls
from careers_users_client.sessions import SessionCalls
from careers_users_client.store import MemoryStore, TokenStore
from careers_users_client.transport import Transport
from careers_users_client.users import UserCalls


class CareersUsers(SessionCalls, AccountCalls, UserCalls, FollowCalls, BlockCalls):
    """A client of the careers users service, for one user and any number of threads.

    Each method is the operation of that name in the service's `/openapi.json`, where
    its fields are explained. All raise CareersUsersError, and nothing else for what
    happens outside of the program.
    """

    def __init__(
        self,
        base_url: str,
        store: TokenStore | None = None,
        *,
        timeout: float = 15,
        retries: int = 2,
        max_wait: float = 10,
        service_token: str | None = None,
        http_transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Make a client of the service at a URL, which is without `/careers/users/`.

        The tokens are in `store`; by default in memory. `timeout` is how many seconds
        the service may be silent in one try. Safe calls (GET) and refreshes are tried
        again up to `retries` times, after the seconds that the service asks for, if
        these are at most `max_wait`. `service_token` is the credential of a sister
        service, used while no user is signed in. `http_transport` is httpx's, for a
        proxy or certificates of your own.
        """
        self._transport = Transport(
            base_url,
            timeout=timeout,
            retries=retries,
            max_wait=max_wait,
            http_transport=http_transport,
        )
        store = MemoryStore() if store is None else store
        self._connection = Connection(self._transport, store, service_token)

    @property
    def store(self) -> TokenStore:
        """Return the place of the tokens."""
        return self._connection.store

    def close(self) -> None:
        """Close the connections; the tokens stay in the store."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
