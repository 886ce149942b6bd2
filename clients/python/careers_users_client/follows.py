"""Follows, blocks and mutes."""

from collections.abc import Iterator
from typing import Unpack

from careers_users_client.connection import Connection
from careers_users_client.paging import rows
from careers_users_client.transport import segment
from careers_users_client.types import (
    BlockedCard,
    Blocks,
    Card,
    Cards,
    Follow,
    FollowRow,
    FollowRows,
    GetRelationshipsParametersQuery,
    ListBlocksParametersQuery,
    ListFollowersParametersQuery,
    ListFollowingParametersQuery,
    ListMutesParametersQuery,
    ListOwnFollowersParametersQuery,
    ListOwnFollowingParametersQuery,
    Message,
    Mute,
    Muted,
    MutedCard,
    Mutes,
    Relationships,
)


class FollowCalls:
    """The calls about follows."""

    _connection: Connection

    def follow(self, **body: Unpack[Follow]) -> FollowRow:
        """Follow a user, by `username` or by the number `following`.

        Following twice is a 409 `already_following`.
        """
        return self._connection.call(FollowRow, "POST", "follow/", body=body)

    def unfollow(self, username: str) -> Message:
        """End a follow; if there is none, it is a 404 `not_following`."""
        path = f"{segment(username)}/unfollow/"
        return self._connection.call(Message, "DELETE", path)

    def ensure_following(self, username: str) -> FollowRow:
        """Follow a user, whether or not that is so already."""
        path = f"{segment(username)}/follow/"
        return self._connection.call(FollowRow, "PUT", path)

    def ensure_not_following(self, username: str) -> Message:
        """End a follow, if there is one."""
        path = f"{segment(username)}/follow/"
        return self._connection.call(Message, "DELETE", path)

    def remove_follower(self, username: str) -> Message:
        """End a user's follow of this user."""
        path = f"me/followers/{segment(username)}/"
        return self._connection.call(Message, "DELETE", path)

    def get_relationships(
        self, **query: Unpack[GetRelationshipsParametersQuery]
    ) -> Relationships:
        """Return how the user stands to at most 100 others, by their `ids`."""
        path = "relationships/"
        return self._connection.call(Relationships, "GET", path, query=query)

    def list_followers(
        self, username: str, **query: Unpack[ListFollowersParametersQuery]
    ) -> Cards:
        """Return a batch of a user's followers, newest first."""
        path = f"{segment(username)}/followers/"
        return self._connection.call(Cards, "GET", path, query=query)

    def iter_followers(
        self, username: str, **query: Unpack[ListFollowersParametersQuery]
    ) -> Iterator[Card]:
        """Yield a user's followers, newest first."""
        return rows(self._connection, self.list_followers(username, **query))

    def list_following(
        self, username: str, **query: Unpack[ListFollowingParametersQuery]
    ) -> Cards:
        """Return a batch of those whom a user follows, newest first."""
        path = f"{segment(username)}/following/"
        return self._connection.call(Cards, "GET", path, query=query)

    def iter_following(
        self, username: str, **query: Unpack[ListFollowingParametersQuery]
    ) -> Iterator[Card]:
        """Yield those whom a user follows, newest first."""
        return rows(self._connection, self.list_following(username, **query))

    def list_own_followers(
        self, **query: Unpack[ListOwnFollowersParametersQuery]
    ) -> FollowRows:
        """Return a batch of the follows of this user, newest first."""
        return self._connection.call(FollowRows, "GET", "followers/", query=query)

    def iter_own_followers(
        self, **query: Unpack[ListOwnFollowersParametersQuery]
    ) -> Iterator[FollowRow]:
        """Yield the follows of this user, newest first."""
        return rows(self._connection, self.list_own_followers(**query))

    def list_own_following(
        self, **query: Unpack[ListOwnFollowingParametersQuery]
    ) -> FollowRows:
        """Return a batch of this user's follows, newest first."""
        return self._connection.call(FollowRows, "GET", "following/", query=query)

    def iter_own_following(
        self, **query: Unpack[ListOwnFollowingParametersQuery]
    ) -> Iterator[FollowRow]:
        """Yield this user's follows, newest first."""
        return rows(self._connection, self.list_own_following(**query))


class BlockCalls:
    """The calls about blocks and mutes."""

    _connection: Connection

    def block(self, username: str) -> Message:
        """Block a user."""
        return self._connection.call(Message, "PUT", f"{segment(username)}/block/")

    def unblock(self, username: str) -> Message:
        """End a block, if there is one."""
        return self._connection.call(Message, "DELETE", f"{segment(username)}/block/")

    def mute(self, username: str, **body: Unpack[Mute]) -> Muted:
        """Mute a user, for `duration` seconds or for good."""
        path = f"{segment(username)}/mute/"
        return self._connection.call(Muted, "PUT", path, body=body)

    def unmute(self, username: str) -> Muted:
        """End a mute, if there is one."""
        return self._connection.call(Muted, "DELETE", f"{segment(username)}/mute/")

    def list_blocks(self, **query: Unpack[ListBlocksParametersQuery]) -> Blocks:
        """Return a batch of the users whom this user blocks, the last one first."""
        return self._connection.call(Blocks, "GET", "me/blocks/", query=query)

    def iter_blocks(
        self, **query: Unpack[ListBlocksParametersQuery]
    ) -> Iterator[BlockedCard]:
        """Yield the users whom this user blocks, the last one first."""
        return rows(self._connection, self.list_blocks(**query))

    def list_mutes(self, **query: Unpack[ListMutesParametersQuery]) -> Mutes:
        """Return a batch of the users whom this user mutes, the last one first."""
        return self._connection.call(Mutes, "GET", "me/mutes/", query=query)

    def iter_mutes(
        self, **query: Unpack[ListMutesParametersQuery]
    ) -> Iterator[MutedCard]:
        """Yield the users whom this user mutes, the last one first."""
        return rows(self._connection, self.list_mutes(**query))
