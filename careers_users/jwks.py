"""The public keys, for sister services that verify access tokens themselves."""

from flask import Blueprint, Response, jsonify

from careers_users import signing

# How long others may keep the answer. A new key signs later than that: `keys rotate`.
MAX_AGE_SECONDS = 300

bp = Blueprint("jwks", __name__)


@bp.get("/.well-known/jwks.json")
def jwks() -> Response:
    """List the public keys (RFC 7517); none if tokens are signed with a secret."""
    response = jsonify({"keys": signing.keys().ring().public_keys()})
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_SECONDS}"
    return response
