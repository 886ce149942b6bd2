"""What happens to accounts and sessions, for those who watch over them."""

import logging

log = logging.getLogger("careers_users.security")


def record(event: str, user_id: int | None = None, **details: object) -> None:
    """Log a security event, such as `login_failed`; `user_id` is whom it concerns.

    `details` hold no secret: no password, no token, and of what somebody typed nothing.
    """
    log.info(event, extra={"user_id": user_id, "details": details})
