"""The settings of the service, as the environment gives them."""

from careers_users.settings import mail, rates, secret_file
from careers_users.settings.environment import Settings, SettingsError

__all__ = [
    "Settings",
    "SettingsError",
    "mail",
    "rates",
    "secret_file",
]
