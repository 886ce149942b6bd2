"""The public keys, for sister services that verify access tokens themselves."""

import logging
from typing import Any, ClassVar

from flask import Blueprint, Response, jsonify
from flask_marshmallow.schema import Schema
from marshmallow import fields

from careers_users.http.decorators import answers
from careers_users.http.occasional import Occasional
from careers_users.keys import current_keys

# How long others may keep the answer. A new key signs later than that: `keys rotate`.
MAX_AGE_SECONDS = 300

bp = Blueprint("jwks", __name__)
log = logging.getLogger(__name__)
_empty = Occasional()


class JwksSchema(Schema):
    """A JWK set (RFC 7517, section 5)."""

    example: ClassVar[dict[str, Any]] = {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "kid": "kQx0QUHaAYA",
                "use": "sig",
                "alg": "EdDSA",
            }
        ]
    }

    keys = fields.List(fields.Dict())


@bp.get("/.well-known/jwks.json")
@answers(JwksSchema(), 200)
def get_public_keys() -> Response:
    """List the public keys (RFC 7517); none if tokens are signed with a secret.

    For services that verify access tokens themselves. May be kept for five minutes.
    """
    public_keys = current_keys().ring().public_keys()
    if not public_keys and _empty.is_due():
        log.warning(
            "A service asked for the public keys, of which there are none: "
            "tokens are signed "
            "with a secret. Make a key ring with `careers-users keys generate`, and "
            "set CAREERS_USERS_JWT_KEY_RING to it"
        )
    response = jsonify({"keys": public_keys})
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_SECONDS}"
    return response
