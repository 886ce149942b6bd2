"""The public keys, for sister services that verify access tokens themselves."""

from flask import Blueprint, Response, jsonify
from flask_marshmallow.schema import Schema
from marshmallow import fields

from careers_users.http.decorators import answers
from careers_users.keys import current_keys

# How long others may keep the answer. A new key signs later than that: `keys rotate`.
MAX_AGE_SECONDS = 300

bp = Blueprint("jwks", __name__)


class JwksSchema(Schema):
    """A JWK set (RFC 7517, section 5)."""

    keys = fields.List(fields.Dict())


@bp.get("/.well-known/jwks.json")
@answers(JwksSchema(), 200)
def jwks() -> Response:
    """List the public keys (RFC 7517); none if tokens are signed with a secret."""
    response = jsonify({"keys": current_keys().ring().public_keys()})
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_SECONDS}"
    return response
