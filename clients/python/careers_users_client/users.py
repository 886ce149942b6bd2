"""The directory of users, and profiles."""

from collections.abc import Iterator
from typing import Unpack

from careers_users_client.connection import Connection
from careers_users_client.transport import segment
from careers_users_client.types import (
    ActivityEvent,
    Card,
    Directory,
    ListUsersParametersQuery,
    Outcomes,
    OwnProfile,
    Profile,
    Stats,
    Update,
    Updated,
)


class UserCalls:
    """The calls about users and their profiles."""

    _connection: Connection

    def list_users(self, **query: Unpack[ListUsersParametersQuery]) -> Directory:
        """Return a batch of the users, or of those that a search finds."""
        return self._connection.call(Directory, "GET", "", query=query)

    def iter_users(self, **query: Unpack[ListUsersParametersQuery]) -> Iterator[Card]:
        """Yield the users, from the batch that the query says on."""
        while True:
            reply = self.list_users(**query)
            yield from reply["users"]
            following = reply["batch_info"]["current_batch"] + 1
            if following >= reply["batch_info"]["total_batches"]:
                return
            query["batch_number"] = following

    def get_profile(self, username: str) -> Profile:
        """Return a user's profile."""
        return self._connection.call(Profile, "GET", f"{segment(username)}/")

    def get_stats(self, username: str) -> Stats:
        """Return a user's numbers."""
        return self._connection.call(Stats, "GET", f"{segment(username)}/stats/")

    def get_own_profile(self) -> OwnProfile:
        """Return the user's own profile."""
        return self._connection.call(OwnProfile, "GET", "me/")

    def get_own_stats(self) -> Stats:
        """Return the user's own numbers."""
        return self._connection.call(Stats, "GET", "me/stats/")

    def update_profile(self, **body: Unpack[Update]) -> Updated:
        """Change the fields of the user's profile that are given."""
        return self._connection.call(Updated, "PATCH", "me/update/", body=body)

    def report_events(self, *events: ActivityEvent) -> Outcomes:
        """Report what happened to posts, at most 100 events: for the posts service.

        Needs the client's `service_token`. An event counts once, however often it is
        reported.
        """
        kind = "application/cloudevents-batch+json"
        return self._connection.call_as_service(Outcomes, "events/", events, kind)
