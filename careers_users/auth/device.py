"""From where a request comes, as far as it tells."""

import re
from dataclasses import dataclass

from flask import request

from careers_users.mail import outbox
from careers_users.validation.limits import ADDRESS_MAX, USER_AGENT_MAX

_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True)
class Device:
    """A program and an address, cut to what the columns hold; both may be empty.

    `locale` is the language in which it is written to, empty for the service's own.
    """

    user_agent: str
    address: str
    locale: str = ""


def device() -> Device:
    """Return from where the request comes."""
    user_agent = _NOT_PRINTABLE.sub("?", request.user_agent.string)
    return Device(
        user_agent=user_agent[:USER_AGENT_MAX],
        address=(request.remote_addr or "")[:ADDRESS_MAX],
        locale=_locale(),
    )


def _locale() -> str:
    """Return the language of the request among those that mail is written in."""
    names = outbox.locales()
    if len(names) == 1:
        return names[0]
    return request.accept_languages.best_match(names, names[0])
