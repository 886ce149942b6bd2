"""A mail server for tests, with a certificate of its own and any trouble wanted."""

import asyncio
import datetime
import ipaddress
import ssl
import threading
from collections import defaultdict
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.live_server import PATIENCE

USER, PASSWORD = "careers", "p@ss/w:rd"
# Both as a URL spells them.
SIGN_IN = "careers:p%40ss%2Fw%3Ard"


def make_certificate(folder: Path) -> Path:
    """Return a file with a certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "post office")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "post_office.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


class _Conversation(SMTP):
    """A conversation whose connection can be ended from elsewhere."""

    connection: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the connection, before and after TLS begins."""
        assert isinstance(transport, asyncio.Transport)
        self.connection = transport
        super().connection_made(transport)


class PostOffice:
    """A running mail server, and the mail that it has taken.

    `replies` holds what is answered to a step instead of accepting it, one for each
    time. At a step of `loses` the connection ends without a reply, and at one of
    `hangs` there is none until `go_on()`, as for a recipient that begins with "slow".
    """

    def __init__(
        self, certificate: Path, *, is_tls: bool = False, offers_tls: bool = True
    ) -> None:
        self.taken: list[tuple[str, EmailMessage]] = []
        self.conversations: list[_Conversation] = []
        self.replies: dict[str, list[str]] = defaultdict(list)
        self.loses: set[str] = set()
        self.hangs: set[str] = set()
        self.reached: dict[str, threading.Event] = defaultdict(threading.Event)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate)
        self._is_tls, self._offers_tls = is_tls, offers_tls
        self._loop = asyncio.new_event_loop()
        self._go_on = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    @property
    def url(self) -> str:
        """Return the setting that leads here."""
        scheme = "smtps" if self._is_tls else "smtp"
        return f"{scheme}://{SIGN_IN}@127.0.0.1:{self.port}"

    def mails_to(self, address: str) -> list[EmailMessage]:
        """Return the mail that was taken for an address."""
        return [mail for to, mail in self.taken if to == address]

    def go_on(self) -> None:
        """Answer to what hangs, and hang no more."""
        self.hangs = set()
        self._loop.call_soon_threadsafe(self._go_on.set)

    def hang_up(self) -> None:
        """End all connections."""
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(PATIENCE)

    async def _hang_up(self) -> None:
        for each in self.conversations:
            if each.connection is not None:
                each.connection.abort()

    def __enter__(self) -> Self:
        self._thread.start()
        begun = asyncio.run_coroutine_threadsafe(self._begin(), self._loop)
        self._server = begun.result(PATIENCE)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        ended = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        ended.result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def _begin(self) -> asyncio.Server:
        return await self._loop.create_server(
            self._conversation,
            "127.0.0.1",
            0,
            ssl=self._context if self._is_tls else None,
        )

    async def _end(self) -> None:
        self._server.close()
        await self._hang_up()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _conversation(self) -> SMTP:
        options: dict[str, Any] = {"authenticator": self._authenticate}
        if self._is_tls:
            options |= {"auth_require_tls": False}
        elif self._offers_tls:
            options |= {"tls_context": self._context, "require_starttls": True}
        self.conversations.append(
            _Conversation(
                self,
                hostname="post.example",
                loop=self._loop,
                timeout=PATIENCE,
                **options,
            )
        )
        return self.conversations[-1]

    def _authenticate(
        self, _smtp: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any
    ) -> AuthResult:
        self.reached["AUTH"].set()
        assert isinstance(given, LoginPassword)
        is_right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        is_taken = is_right and not self.replies["AUTH"]
        message = None if is_taken else (self.replies["AUTH"] or ["535 5.7.8 No"]).pop()
        return AuthResult(success=is_taken, handled=False, message=message)

    async def _step(self, server: SMTP, step: str, usual: str) -> str:
        self.reached[step].set()
        if step in self.hangs:
            await self._go_on.wait()
        if step in self.loses:
            transport = server.transport
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
        return self.replies[step].pop(0) if self.replies[step] else usual

    async def handle_EHLO(
        self,
        server: SMTP,
        session: Session,
        _envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """Greet, unless something else is wanted."""
        session.host_name = hostname
        usual = responses[-1]
        return [*responses[:-1], await self._step(server, "EHLO", usual)]

    async def handle_MAIL(
        self,
        server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Take the sender, unless something else is wanted."""
        reply = await self._step(server, "MAIL", "250 OK")
        if reply.startswith("250"):
            envelope.mail_from = address
        return reply

    async def handle_RCPT(
        self,
        server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Take the recipient, unless something else is wanted."""
        if address.startswith("slow"):
            self.reached["slow"].set()
            await self._go_on.wait()
        reply = await self._step(server, "RCPT", "250 OK")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Take the mail, unless something else is wanted."""
        reply = await self._step(server, "DATA", "250 OK")
        if reply.startswith("250") and "DATA" not in self.loses:
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, policy=policy.default)
            self.taken.append((envelope.rcpt_tos[0], mail))
            self.reached["accepted"].set()
        return reply

    async def handle_QUIT(
        self, server: SMTP, _session: Session, _envelope: Envelope
    ) -> str:
        """Say good-bye, unless something else is wanted."""
        return await self._step(server, "QUIT", "221 Bye")
