"""The interfaces of systemd: a listening socket to take, and states to report."""

import logging
import os
import socket

log = logging.getLogger(__name__)

FIRST_FD = 3  # SD_LISTEN_FDS_START, sd_listen_fds(3)
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class SocketRefused(Exception):
    """The socket that was given can't be used; the message is a sentence."""


def take_socket() -> socket.socket | None:
    """Return the TCP socket given by socket activation; None if there is none.

    Removes the variables that announce it, so that no child takes it for its own.
    Raises SocketRefused for anything but one listening TCP socket for this process.
    """
    pid, count, _ = (os.environ.pop(name, None) for name in _VARIABLES)
    if count is None and pid is None:
        return None
    if pid != str(os.getpid()):
        raise SocketRefused(
            f"LISTEN_PID is {pid} and this process is {os.getpid()}: let systemd start "
            "the command itself, without a shell around it."
        )
    if count != "1":
        raise SocketRefused(
            f"LISTEN_FDS is {count}: give exactly one ListenStream in the socket unit."
        )
    given = _open(FIRST_FD)
    given.set_inheritable(False)
    return given


def _open(fd: int) -> socket.socket:
    sentence = "The socket given by LISTEN_FDS is no listening TCP socket: {}."
    try:
        given = socket.socket(fileno=fd)
    except OSError as error:
        raise SocketRefused(sentence.format(error.strerror)) from error
    is_tcp = given.family in (socket.AF_INET, socket.AF_INET6) and (
        given.type == socket.SOCK_STREAM
    )
    if is_tcp and given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return given
    given.detach()
    raise SocketRefused(
        sentence.format("set ListenStream to an address and a port, and Accept=no")
    )


def notify(state: str) -> None:
    """Tell the service manager a state, such as READY=1, if it wants to know."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # An abstract socket, unix(7).
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(state.encode(), address)
    except OSError as error:
        log.warning("NOTIFY_SOCKET takes no messages: %s", error)


def notify_stopping() -> None:
    """Report that a graceful stop begins, to the log too."""
    log.info("Stopping: no new connections, requests that are here are answered")
    notify("STOPPING=1")
