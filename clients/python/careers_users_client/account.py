"""The user's account: password, e-mail address, data, and the account as a whole."""

from collections.abc import Iterator
from typing import Unpack

from careers_users_client.connection import Connection
from careers_users_client.paging import rows
from careers_users_client.store import Tokens as StoredTokens
from careers_users_client.types import (
    AccountExport,
    Activity,
    ChangeConfirmed,
    ChangePassword,
    Close,
    LinkToken,
    ListActivityParametersQuery,
    Message,
    Reset,
    ResetConfirm,
    Security,
    SecurityEvent,
    Tokens,
)


class AccountCalls:
    """The calls about the account."""

    _connection: Connection

    def change_password(self, **body: Unpack[ChangePassword]) -> None:
        """Change the password, which ends all sessions; this client gets a new one."""
        reply = self._connection.call(Tokens, "POST", "me/password/", body=body)
        self._connection.keep(StoredTokens(reply["access"], reply["refresh"]))

    def reset_password(self, **body: Unpack[Reset]) -> Message:
        """Ask for a mail with a link for a new password."""
        return self._connection.call_anonymously(Message, "password/reset/", body)

    def confirm_password_reset(self, **body: Unpack[ResetConfirm]) -> Message:
        """Set a new password by the token of such a link."""
        path = "password/reset/confirm/"
        return self._connection.call_anonymously(Message, path, body)

    def send_verification(self) -> Message:
        """Ask for a mail with a link that verifies the e-mail address."""
        return self._connection.call(Message, "POST", "email/verify/send/", body={})

    def verify_email(self, **body: Unpack[LinkToken]) -> Message:
        """Verify the e-mail address by the token of such a link."""
        return self._connection.call_anonymously(Message, "email/verify/", body)

    def confirm_email_change(self, **body: Unpack[LinkToken]) -> ChangeConfirmed:
        """Confirm a new e-mail address by the token of a link."""
        path = "email/change/confirm/"
        return self._connection.call_anonymously(ChangeConfirmed, path, body)

    def delete_account(self, **body: Unpack[Close]) -> Message:
        """Delete the account for good."""
        reply = self._connection.call(Message, "DELETE", "me/", body=body)
        self._connection.keep(None)
        return reply

    def export_account(self) -> AccountExport:
        """Return everything that the service holds about the user."""
        return self._connection.call(AccountExport, "GET", "me/export/")

    def get_security(self) -> Security:
        """Return the state of password and e-mail address."""
        return self._connection.call(Security, "GET", "me/security/")

    def list_activity(self, **query: Unpack[ListActivityParametersQuery]) -> Activity:
        """Return a batch of the account's security events, newest first."""
        return self._connection.call(Activity, "GET", "me/activity/", query=query)

    def iter_activity(
        self, **query: Unpack[ListActivityParametersQuery]
    ) -> Iterator[SecurityEvent]:
        """Yield the account's security events, newest first."""
        return rows(self._connection, self.list_activity(**query))
