"""Registration, sign-in and sessions."""

from typing import Unpack

from careers_users_client.connection import Connection
from careers_users_client.errors import CareersUsersError
from careers_users_client.store import Tokens
from careers_users_client.transport import segment
from careers_users_client.types import (
    Account,
    Confirm,
    Confirmed,
    LoggedOut,
    Login,
    LoginReply,
    LogoutAll,
    Message,
    NewAccount,
    Register,
    RegisterReply,
    Sessions,
)


class SessionCalls:
    """The calls about sessions."""

    _connection: Connection

    def register(self, **body: Unpack[Register]) -> NewAccount:
        """Register a user, who is signed in then."""
        reply = self._connection.call_anonymously(RegisterReply, "register/", body)
        self._connection.keep(Tokens(reply["access"], reply["refresh"]))
        return reply["user"]

    def login(self, **body: Unpack[Login]) -> Account:
        """Sign in; `username` may be the e-mail address."""
        reply = self._connection.call_anonymously(LoginReply, "login/", body)
        self._connection.keep(Tokens(reply["access"], reply["refresh"]))
        return reply["user"]

    def logout(self) -> None:
        """End this session.

        The store is empty then, also if the call fails, which means that the service
        may not know.
        """
        tokens = self._connection.store.get()
        if tokens is None:
            return
        try:
            body = {"refresh": tokens.refresh}
            self._connection.call(Message, "POST", "logout/", body=body)
        except CareersUsersError as error:
            if error.status != 401:  # The session was over already.
                raise
        finally:
            self._connection.keep(None)

    def logout_all(self, **body: Unpack[LogoutAll]) -> LoggedOut:
        """End all sessions of the user; with `keep_current`, all others."""
        path = "logout/all/"
        reply = self._connection.call(LoggedOut, "POST", path, body=body)
        if not body.get("keep_current"):
            self._connection.keep(None)
        return reply

    def refresh_tokens(self) -> None:
        """Store new tokens.

        Calls do so by themselves; this is for an access token that another service
        refuses.
        """
        self._connection.refresh()

    def list_sessions(self) -> Sessions:
        """Return the user's live sessions, the last used first."""
        return self._connection.call(Sessions, "GET", "me/sessions/")

    def end_session(self, session_id: str) -> Message:
        """End one of the user's sessions."""
        path = f"me/sessions/{segment(session_id)}/"
        return self._connection.call(Message, "DELETE", path)

    def confirm_session(self, **body: Unpack[Confirm]) -> Confirmed:
        """Confirm this session by the password, for changes that want it."""
        return self._connection.call(Confirmed, "POST", "me/confirm/", body=body)
