"""E-mail addresses: whether text is one, at a domain that mail can be sent to."""

import re
from collections.abc import Collection

from email_validator import EmailNotValidError, validate_email

from careers_users.validation.limits import EMAIL_LOCAL_MAX, EMAIL_MAX

# Reserved for private use since email-validator's list of such domains was written.
PRIVATE_DOMAINS = ("internal", "alt")


def is_email(value: str, private_domains: Collection[str] = ()) -> bool:
    """Return whether `value` is an ASCII address at a domain with a dot.

    At a domain of no public use, such as those below `.local`, only if it is in or
    below one of `private_domains`. The domain is not asked of the network.
    """
    if len(value) > EMAIL_MAX or not value.isascii():
        return False
    local, _, domain = value.rpartition("@")
    if len(local) > EMAIL_LOCAL_MAX:
        return False
    allowed = _ending(domain, private_domains)
    if allowed is not None:
        # The validator's list can be changed for the whole process only: have it look
        # at a public name of the same form.
        public = re.sub(r"[^.]", "a", allowed)
        value = value[: -len(allowed)] + public
    elif _ending(domain, PRIVATE_DOMAINS) is not None:
        return False
    try:
        validate_email(value, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def _ending(domain: str, names: Collection[str]) -> str | None:
    """Return the name that `domain` is, or is below, if any."""
    dotted = f".{domain.lower()}"
    return next((name for name in names if dotted.endswith(f".{name}")), None)
