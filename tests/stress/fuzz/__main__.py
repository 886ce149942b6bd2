"""Coverage-guided fuzzing of what reads input: `python -m tests.stress.fuzz TARGET`.

TARGET is one of those below; what follows are libFuzzer's options. The seeds are made
here, in the working directory, where a crash leaves its input, too. To see what it was:
`python -m tests.stress.fuzz TARGET ./crash-...`.
"""

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["careers_users"]):
    from careers_users import create_app


import json
import unicodedata

import flask_migrate
from marshmallow import ValidationError
from werkzeug.test import run_wsgi_app

from careers_users.validation import characters, words
from careers_users.validation import folding as fold
from careers_users.validation.cursor import Cursor, decode, encode
from careers_users.validation.fields import (
    AvatarUrl,
    Bio,
    Email,
    NewPassword,
    PersonName,
    Username,
)
from careers_users.validation.limits import BASE_PATH, ID_MAX
from config import TestConfig
from tests.api import Account, Api
from tests.auth.stored import claims_of, sign
from tests.stress.fuzz import BETWEEN, KEY, SERVICE

CALLS = (
    *(("POST", "register/"), ("POST", "login/"), ("POST", "token/refresh/")),
    *(("PATCH", "me/update/"), ("POST", "follow/"), ("POST", "events/"), ("GET", "")),
    *(("GET", "relationships/"), ("GET", "following/"), ("GET", "me/activity/")),
)
FIELDS = (Username(), Email(), NewPassword(), PersonName(), Bio(), AvatarUrl())


class Service:
    """The whole application on a database of its own, with a user signed in."""

    def __init__(self) -> None:
        config = TestConfig(
            database_url=f"sqlite:///{Path('fuzz.db').absolute()}",
            jwt_secret_key=KEY,
            events_tokens=(SERVICE,),
        )
        self.app = create_app(config)
        # So that unexpected exceptions come here, rather than as a 500.
        self.app.config["PROPAGATE_EXCEPTIONS"] = True
        with self.app.app_context():
            flask_migrate.upgrade()
        self.account: Account = Api(self.app).register("somebody")

    def answer(self, **environ: Any) -> tuple[int, Any]:
        """Return status and JSON of the reply to a WSGI environment."""
        body = environ.pop("body", b"")
        complete = {
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SCRIPT_NAME": "",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.input": BytesIO(body),
            **environ,
        }
        chunks, status, _ = run_wsgi_app(self.app.wsgi_app, complete, buffered=True)
        answer = json.loads(b"".join(chunks))
        code = int(status[:3])
        assert code < 500, answer
        if code >= 400:
            assert list(answer) == ["error", "code", "details"], answer
        return code, answer


def gate(service: Service, data: bytes) -> None:
    """Call with any query, content type and body: no failure, always JSON."""
    method, path = CALLS[data[0] % len(CALLS)] if data else CALLS[-1]
    query, kind, body = (*data[1:].split(BETWEEN, 2), b"", b"", b"")[:3]
    is_event = path == "events/"
    kinds = ("application/json", "application/cloudevents-batch+json")
    token = SERVICE if is_event else service.account.access
    service.answer(
        REQUEST_METHOD=method,
        PATH_INFO=f"{BASE_PATH}/{path}",
        QUERY_STRING=query.decode("latin-1"),
        CONTENT_TYPE=kind.decode("latin-1") or kinds[is_event],
        HTTP_AUTHORIZATION=f"Bearer {token}",
        body=body,
    )


def address(service: Service, data: bytes) -> None:
    """Any path: what it leads to, or the documented refusal."""
    service.answer(
        REQUEST_METHOD="GET", PATH_INFO=f"{BASE_PATH}/{data.decode('latin-1')}"
    )


def cursor(_service: Service, data: bytes) -> None:
    """Assert that a word is a cursor that `encode` gives back, or none."""
    word = data.decode("utf-8", "surrogateescape")
    found = decode(word)
    if found is not None:
        assert 0 <= found.row_id <= ID_MAX
        assert encode(found) == word


def header(service: Service, data: bytes) -> None:
    """Any header Authorization, or any claims signed by ourselves, is refused."""
    value = data[1:].decode("latin-1")
    is_signed = bool(data) and data[0] % 2 == 1
    if is_signed:
        head, _, payload = data[1:].partition(BETWEEN)
        value = f"Bearer {sign(KEY, head, payload)}"
    status, answer = service.answer(
        REQUEST_METHOD="GET",
        PATH_INFO=f"{BASE_PATH}/me/",
        HTTP_AUTHORIZATION=value,
    )
    # A token that we have signed may be in order, if it has the form of ours.
    assert status == 401 or (status == 200 and is_signed), answer


def folding(service: Service, data: bytes) -> None:
    """Folding loses and finds nothing, and fields refuse what can't be stored."""
    is_wide = bool(data) and data[0] % 2 == 1
    code = "utf-32-le" if is_wide else "utf-8"
    value = data[1:].decode(code, "ignore" if is_wide else "surrogateescape")
    value = value[: fold.FOLDED_MAX // 20]  # A character becomes up to 18.
    folded = fold.search(value)
    assert fold.search(folded) == folded
    assert unicodedata.is_normalized("NFKC", folded)
    assert fold.search(unicodedata.normalize("NFD", value)) == folded
    with service.app.app_context():
        for field in FIELDS:
            try:
                result: Any = field.deserialize(value)
            except ValidationError:
                continue
            if result is not None:
                assert characters.is_storable(result)
                result.encode()
    if characters.is_clean_text(value):
        searched = words.search_text(value, value, value, value)
        assert all(needle in searched for needle in words.needles(value))


SINGLE = (gate, address, cursor, header, folding)


def mixed(service: Service, data: bytes) -> None:
    """One of them all, as the first byte says."""
    number = data[0] if data else 0
    SINGLE[number % len(SINGLE)](service, data[1:])


def seeds(service: Service) -> dict[str, list[bytes]]:
    """Return inputs from which each target's fuzzing begins."""
    person = {"username": "zoe", "email": "zoe@example.com", "first_name": "Zoë"}
    passwords = {"password": "password123", "password_confirm": "password123"}
    data = {"author_username": "somebody", "posts_count": 3}
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "counts.set"}
    bodies: list[Any] = [
        {**person, **passwords, "bio": "a\nb", "avatar": "https://example.com/a"},
        {"username": "somebody", "password": "wrong password"},
        {"refresh": service.account.refresh, "rotate": False},
        {"bio": "new", "avatar": None, "last_name": "\U0001f600"},
        {"following": 9},
        [{**event, "time": "2024-01-15T10:30:00Z", "data": data}],
    ]
    calls = [
        bytes([n]) + BETWEEN * 2 + json.dumps(body).encode()
        for n, body in enumerate(bodies)
    ]
    word = encode(Cursor("older", 7)).encode()
    queries = [b"search=a%25&ordering=-created_at&batch_size=7", b"ids=1,2,3"]
    queries += [b"cursor=" + word, b"batch_size=2&cursor=" + word]
    calls += [bytes([6 + n]) + query for n, query in enumerate(queries)]
    claims = claims_of(service.account.access) | {"sid": "0" * 32, "exp": 2**32}
    signed = b'{"alg":"HS256","typ":"JWT"}' + BETWEEN + json.dumps(claims).encode()
    token = service.account.refresh.encode()
    words = ("Straße", "İI\u0307ß", "http://[::1]:8/x", "a@b.example.com", "가\u1100")
    return {
        "gate": calls,
        "address": [
            b"",
            b"somebody/",
            b"somebody/followers",
            b"me/",
            b"me/sessions/x/",
        ],
        "cursor": [word, encode(Cursor("newer", ID_MAX)).encode(), b"b2xkZXI6MQ=="],
        "header": [b"\x01" + signed, b"\x00Bearer " + token, b"\x00Basic YTpi"],
        "folding": [b"\x00" + word.encode() for word in words],
    }


def main() -> None:
    """Fuzz one target, as the command line says."""
    service, name = Service(), sys.argv.pop(1)
    target = next(one for one in (*SINGLE, mixed) if one.__name__ == name)
    known = seeds(service)
    known["mixed"] = [
        bytes([number]) + seed
        for number, one in enumerate(SINGLE)
        for seed in known[one.__name__]
    ]
    corpus = Path("corpus")
    corpus.mkdir()
    for number, seed in enumerate(known[name]):
        (corpus / str(number)).write_bytes(seed)
    atheris.Setup([*sys.argv, str(corpus)], lambda data: target(service, data))
    atheris.Fuzz()


main()
