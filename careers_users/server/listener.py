"""The listening socket: bound to HOST and PORT, or given by systemd."""

import errno
import logging
import socket
import struct
import sys
from array import array
from contextlib import suppress
from dataclasses import dataclass

from careers_users.server import systemd

log = logging.getLogger(__name__)

BACKLOG = 2048  # Connections that may wait in the kernel, which may lower it.
SO_ATTACH_FILTER = 26  # socket(7); the module socket has no name for it.


class ServerError(Exception):
    """The server can't start; the message is a sentence that says what to do."""


@dataclass(frozen=True)
class Listener:
    """A listening socket, and whether it is another process's, which keeps it open."""

    socket: socket.socket
    is_given: bool = False

    def ignore_handshakes(self) -> None:
        """Answer no further handshake, where the system can: clients try again later.

        Closing the socket alone would reset connections that were made since the last
        accept. A given socket goes on: the filter would stay on it after this process.
        """
        if sys.platform == "linux" and not self.is_given:
            # A program of one instruction, "keep 0 bytes" (BPF_RET).
            keep_nothing = array("B", struct.pack("HBBI", 6, 0, 0, 0))
            program = struct.pack("HP", 1, keep_nothing.buffer_info()[0])
            with suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def open_listener(host: str, port: int) -> Listener:
    """Return the socket given by systemd, else one bound to `host` and `port`.

    Raises ServerError with a sentence if there can be none.
    """
    try:
        given = systemd.take_socket()
    except systemd.SocketRefused as error:
        raise ServerError(str(error)) from error
    if given is not None:
        log.info("HOST and PORT are ignored: systemd has given a socket.")
        return Listener(given, is_given=True)
    return Listener(_bind(host, port))


def try_address(host: str) -> None:
    """Bind to any free port of `host` for a moment.

    Raises ServerError with a sentence if that can't be done.
    """
    _bind(host, 0).close()


def _bind(host: str, port: int) -> socket.socket:
    try:
        found = [entry[0] for entry in socket.getaddrinfo(host, port)]
        # "localhost" may be both families; more clients reach it by the older one.
        family = socket.AF_INET if socket.AF_INET in found else found[0]
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(
            (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both
        )
    except (OSError, UnicodeError) as error:
        raise ServerError(_why_not(host, port, error)) from error


def _why_not(host: str, port: int, error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"There is no host {host!r}: set HOST to an address, such as 0.0.0.0."
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is already in use: free it, or set another PORT."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: set HOST to one, or to 0.0.0.0."
    if isinstance(error, PermissionError):
        return f"This user may not listen on port {port}: set PORT to 1024 or above."
    return f"Can't listen on {host}, port {port} ({error}): check HOST and PORT."
