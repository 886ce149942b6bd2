"""The runner around waitress: one port, one or several processes, nothing lost."""

from careers_users.server import status
from careers_users.server.application import Application
from careers_users.server.runner import ServerError, run

__all__ = [
    "Application",
    "ServerError",
    "run",
    "status",
]
