"""Mail by SMTP (RFC 5321), encrypted always: by STARTTLS or from the first byte.

Each mail has a connection of its own, so that none waits for the recipient of another.
"""

import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from careers_users.settings.mail import SMTP_PORTS

# For each answer of the server, and for the whole conversation: less than the lease of
# a row. A recipient whose server is slower is tried again.
STEP_SECONDS = 20.0
WHOLE_SECONDS = 120.0


class Later(Exception):
    """A mail could not be delivered now; the message is a short code of ours."""


class Refused(Exception):
    """A mail will never be delivered; `by_recipient` if the address takes none."""

    def __init__(self, code: str, *, by_recipient: bool = False) -> None:
        super().__init__(code)
        self.by_recipient = by_recipient


@dataclass(frozen=True)
class Server:
    """The mail server that takes our mail."""

    host: str
    port: int
    is_tls: bool
    user: str | None
    password: str | None = field(repr=False)

    @classmethod
    def of(cls, url: str) -> "Server":
        """Return the server of a URL that the settings have accepted."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        return cls(
            parts.hostname,
            parts.port or SMTP_PORTS[parts.scheme],
            parts.scheme == "smtps",
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
        )


def deliver(
    server: Server,
    sender: str,
    to: str,
    message: EmailMessage,
    accepted: Callable[[], object],
) -> None:
    """Hand a mail to the server; call `accepted` as soon as it is the server's.

    Raises Later or Refused if it is not, and whatever `accepted` raises.
    """
    with _connected(server) as client:
        with _in_codes("mail"):
            client.send_message(message, sender, [to])
        accepted()


def greet(server: Server) -> None:
    """Connect and sign in without sending anything; raises Later if that fails."""
    with _connected(server):
        pass


def context() -> ssl.SSLContext:
    """Return how certificates are verified: by the authorities of the system."""
    return ssl.create_default_context()


@contextmanager
def _connected(server: Server) -> Iterator[smtplib.SMTP]:
    client = _Client(server)
    deadline = threading.Timer(WHOLE_SECONDS, client.cut)
    deadline.daemon = True
    deadline.start()
    try:
        with _in_codes("connect"):
            code, reply = client.connect(server.host, server.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, reply)
            client.ehlo_or_helo_if_needed()
        if not server.is_tls:
            with _in_codes("tls"):
                client.starttls(context=context())
        if server.user is not None and server.password is not None:
            with _in_codes("login"):
                client.login(server.user, server.password)
        yield client
        with suppress(OSError, smtplib.SMTPException):
            client.quit()
    finally:
        deadline.cancel()
        client.close()


class _Client(smtplib.SMTP):
    """A connection that TLS begins with if the server wants it, and that can be cut."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._begun: socket.socket | None = None
        super().__init__(local_hostname=_own_name(), timeout=STEP_SECONDS)
        self._host = server.host  # The name that a certificate must have.

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = socket.create_connection((host, port), timeout)
        if not self._server.is_tls:
            return plain
        # By hand, so that a handshake can be cut too.
        self._begun = context().wrap_socket(
            plain, server_hostname=host, do_handshake_on_connect=False
        )
        try:
            self._begun.do_handshake()
        except BaseException:
            self._begun.close()
            raise
        return self._begun

    def cut(self) -> None:
        """End the connection, whatever is waited for."""
        connection = self.sock or self._begun
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _own_name() -> str:
    """Return what to greet with (RFC 5321, section 4.1.4); the network is not asked."""
    name = socket.gethostname()
    return name if "." in name else "[127.0.0.1]"


@contextmanager
def _in_codes(step: str) -> Iterator[None]:
    """Turn what goes wrong in a step into Later or Refused, with a code of ours.

    Nothing of what the server says gets into the code but its number.
    """
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        number = next(iter(error.recipients.values()))[0]
        if number >= 500:
            raise Refused(f"recipient {number}", by_recipient=True) from error
        raise Later(f"recipient {number}") from error
    except smtplib.SMTPDataError as error:
        if error.smtp_code >= 500:
            raise Refused(f"data {error.smtp_code}") from error
        raise Later(f"data {error.smtp_code}") from error
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        raise Later(_code_of(step, error)) from error


def _code_of(step: str, error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{step} {error.smtp_code}"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"{step} not offered"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return f"{step} timeout"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return f"{step} lost"
    return f"{step} failed"
