"""Calls with the tokens of a store, and one refresh for many that are refused."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from threading import Lock
from typing import Any, TypeVar, cast

from careers_users_client.errors import CareersUsersError
from careers_users_client.store import Tokens, TokenStore
from careers_users_client.transport import Request, Transport, with_query

R = TypeVar("R")

# A 401 with one of these says that nothing was done. `invalid_credentials` is another
# matter, and so is a wrong password that confirms a change, which is a 403.
REFUSED_TOKENS = ("token_expired", "token_invalid", "token_revoked")


class Connection:
    """The calls of one user, from any number of threads."""

    def __init__(
        self, transport: Transport, store: TokenStore, service_token: str | None
    ) -> None:
        self.store = store
        self._transport = transport
        self._service_token = service_token
        self._lock = Lock()
        self._refresh: Future[Tokens] | None = None
        # Until the service refuses it.
        self._rotates = True

    def call(
        self,
        kind: type[R],
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> R:
        """Make a call as the user, or the sister service, and return its reply.

        It is made once more if the service refuses the access token, after a refresh.
        `kind` is the reply's type, for type checkers alone: it is not checked.
        """
        request = Request(method, with_query(path, query or {}), body)
        tokens = self.store.get()
        if tokens is None:
            return cast(R, self._transport.send(request, self._service_token))
        try:
            return cast(R, self._transport.send(request, tokens.access))
        except CareersUsersError as error:
            if error.status != 401 or error.code not in REFUSED_TOKENS:
                raise
            tokens = self._after(error, tokens)
        return cast(R, self._transport.send(request, tokens.access))

    def call_anonymously(self, kind: type[R], path: str, body: object) -> R:
        """Make a call whose body says for whom it is."""
        return cast(R, self._transport.send(Request("POST", path, body)))

    def call_as_service(
        self, kind: type[R], path: str, body: object, content_type: str
    ) -> R:
        """Make a call that takes the credential of a sister service alone."""
        request = Request("POST", path, body, content_type)
        return cast(R, self._transport.send(request, self._service_token))

    def keep(self, tokens: Tokens | None) -> None:
        """Store the tokens of a new session, or forget those of one that has ended."""
        with self._lock:
            self.store.set(tokens)

    def _after(self, refusal: CareersUsersError, refused: Tokens) -> Tokens:
        if refusal.code == "token_revoked":  # A refresh would be refused as well.
            return self._sign_out(refused, refusal)
        return self.refresh(refused)

    def refresh(self, refused: Tokens | None = None) -> Tokens:
        """Return new tokens, which are stored; all callers at a time share one refresh.

        Tokens that another caller has stored since `refused` was used are new enough.
        """
        with self._lock:
            is_first = self._refresh is None
            shared = self._refresh = self._refresh or Future()
        if is_first:
            try:
                shared.set_result(self._renew(refused))
            except Exception as error:
                shared.set_exception(error)
            finally:
                with self._lock:
                    self._refresh = None
                if not shared.done():  # A KeyboardInterrupt is for this thread alone.
                    stopped = CareersUsersError(0, "network", "The refresh was stopped")
                    shared.set_exception(stopped)
        return shared.result()

    def _renew(self, refused: Tokens | None) -> Tokens:
        tokens = self.store.get()
        if tokens is None:
            raise CareersUsersError(401, "not_authenticated", "Signed out")
        if refused is not None and tokens.access != refused.access:
            return tokens
        try:
            reply = self._send_refresh(tokens)
        except CareersUsersError as error:
            if error.code in (*REFUSED_TOKENS, "validation_failed"):
                return self._sign_out(tokens, error)
            raise  # Without a reply, and after a 503, the session may be good.
        renewed = replace(tokens, **reply)
        with self._lock:
            now = self.store.get()
            if now == tokens:
                # Before they are used: until then the service takes the old ones too.
                self.store.set(renewed)
                return renewed
        if now is None:
            raise CareersUsersError(401, "not_authenticated", "Signed out meanwhile")
        return now

    def _send_refresh(self, tokens: Tokens) -> dict[str, Any]:
        """Return `access`, and `refresh` if the service rotates.

        Tried again like a safe call: a refresh token is good until its successor is
        used.
        """
        body: dict[str, object] = {"refresh": tokens.refresh}
        if self._rotates:
            body["rotate"] = True
        request = Request("POST", "token/refresh/", body)
        try:
            reply = self._transport.send(request, is_safe=True)
        except CareersUsersError as error:
            is_refused = error.code == "validation_failed" and "rotate" in error.details
            if not self._rotates or not is_refused:
                raise
            self._rotates = False
            return self._send_refresh(tokens)
        return {name: reply[name] for name in ("access", "refresh") if name in reply}

    def _sign_out(self, refused: Tokens, refusal: CareersUsersError) -> Tokens:
        """Forget refused tokens, and raise; return other ones if there are by now."""
        with self._lock:
            now = self.store.get()
            if now is not None and now != refused:
                return now
            self.store.set(None)
        raise refusal
