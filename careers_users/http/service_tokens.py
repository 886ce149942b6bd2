"""Credentials of sister services: CAREERS_USERS_EVENTS_TOKENS."""

import hmac
from hashlib import sha256

from flask import current_app, request


def is_sister_service() -> bool:
    """Return whether the request carries one of the credentials, as Bearer.

    In the same time for all of them.
    """
    tokens: tuple[str, ...] = current_app.config["EVENTS_TOKENS"]
    header = request.headers.get("Authorization")
    if header is None or not tokens:
        return False
    scheme, _, given = header.partition(" ")
    # Digests are of one length, and every token is compared, also after a match.
    digest = sha256(given.strip(" ").encode("latin-1", "replace")).digest()
    matches = [
        hmac.compare_digest(digest, sha256(token.encode()).digest()) for token in tokens
    ]
    return scheme.lower() == "bearer" and any(matches)
