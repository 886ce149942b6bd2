"""The server around waitress: one port, one or several processes, no request lost."""

from careers_users.server import status
from careers_users.server.application import Application, Refuse
from careers_users.server.listener import ServerError, try_address
from careers_users.server.runner import run

__all__ = [
    "Application",
    "Refuse",
    "ServerError",
    "run",
    "status",
    "try_address",
]
