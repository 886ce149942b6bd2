"""Every operation of the OpenAPI document, with values that no client should send."""

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.live_server import PASSWORDS
from tests.stress import bad_values
from tests.stress.load import Caller

METHODS = ("get", "post", "put", "patch", "delete")
SERVICE = "a-sister-service-s-credential-for-tests"
STAR = "star"  # Followed by all users, and the name in all paths with a name.
# After a success there, the session or the account is over.
ENDING = {"logout", "logout_all", "change_password", "close", "refresh"}
COUNTS = ("posts_count", "likes_received", "comments_received")
# One of these two: the field that is tried takes the other's place.
INSTEAD = {"following": "username", "author_id": "author_username"}


class Request(NamedTuple):
    """A request as bytes, what it tries, and how it may be answered besides."""

    what: str
    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes | None = None
    # A path that leads to another place may be answered as there.
    is_stray: bool = False


@dataclass
class Person:
    """A client with an account, and another one whenever that has ended."""

    name: str
    port: int
    lives: int = 0
    tried: int = 0
    tokens: dict[str, str] = field(default_factory=dict)

    def renew(self) -> None:
        """Register another account."""
        self.lives += 1
        with Caller(self.port) as caller:
            reply = caller.register(self.username)
        assert reply.status == 201, reply
        self.tokens = reply.body

    @property
    def username(self) -> str:
        """Return the present account's name."""
        return f"{self.name}_{self.lives}"

    def good(self, operation: str, name: str) -> Any:
        """Return a good value of a field; KeyError for one that is not known here."""
        self.tried += 1
        fresh = f"{self.name}x{self.tried}"
        if operation == "register" and name == "username":
            return fresh
        if operation in ("login", "follow") and name == "username":
            return self.username if operation == "login" else STAR
        if operation == "change_password" and name.startswith("password"):
            return "another password"
        known: dict[str, Any] = {
            **PASSWORDS,
            "old_password": PASSWORDS["password"],
            "email": f"{fresh}@example.com",
            **dict.fromkeys(("first_name", "last_name", "bio", "subject"), "Zoë"),
            "avatar": "https://example.com/a.png",
            "refresh": self.tokens.get("refresh"),
            "rotate": False,
            "keep_current": True,
            "following": 1,
            "specversion": "1.0",
            "id": fresh,
            "source": "https://example.com/",
            "type": "counts.set",
            "time": "2024-01-15T10:30:00Z",
            "author_id": 1,
            "author_username": STAR,
            **dict.fromkeys(COUNTS, self.tried),
        }
        return known[name]


class Operation:
    """An operation of the document, and the requests that try it."""

    def __init__(self, document: Any, path: str, method: str, number: int) -> None:
        self._document, self.path, self.method = document, path, method.upper()
        self.number = number
        self._description = document["paths"][path][method]
        self.id: str = self._description["operationId"]
        security = self._description["security"]
        self.takes_token = any(security)
        self.is_service = {"service": []} in security
        content: Any = self._description.get("requestBody", {}).get("content", {})
        self._media_type = next(iter(content), "application/json").encode()
        described: Any = next(iter(content.values()), {"schema": {}})
        self._schema = self._resolve(described["schema"])
        self.takes_body = bool(content)

    def _resolve(self, thing: Any) -> Any:
        while "$ref" in thing:
            steps = thing["$ref"].removeprefix("#/").split("/")
            thing = self._document
            for step in steps:
                thing = thing[step]
        return thing

    def codes(self, status: int) -> set[str] | None:
        """Return the words that a status may come with; None if it is not documented.

        A success has none.
        """
        responses = self._description["responses"]
        if str(status) not in responses:
            return None
        if status < 400:
            return set()
        response = self._resolve(responses[str(status)])
        return set(response["content"]["application/json"]["examples"])

    def parameters(self, place: str) -> list[str]:
        """Return the names of the parameters in the path, or in the query."""
        described = self._description.get("parameters", [])
        return [one["name"] for one in described if one["in"] == place]

    # ------------------------------------------------------------------------ requests

    def requests(self, person: Person, *, signed_in: bool) -> Iterator[Request]:
        """Return all the requests; each is made of what the person is by then."""
        for what, target, is_stray in self._targets():
            headers = self._headers(person, signed_in)
            body = self._body(person) if self.takes_body else None
            yield Request(what, self.method, target, headers, body, is_stray)
        if self.takes_body:
            for what, body in self._bodies(person):
                headers = self._headers(person, signed_in)
                yield Request(what, self.method, self._target(), headers, body)
        for what, headers in self._bad_headers(person, signed_in):
            body = self._body(person) if self.takes_body else None
            yield Request(what, self.method, self._target(), headers, body)

    def _headers(self, person: Person, signed_in: bool) -> Any:
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if self.takes_body:
            headers = ((b"Content-Type", self._media_type),)
        if signed_in:
            token = SERVICE if self.is_service else person.tokens["access"]
            headers += ((b"Authorization", b"Bearer " + token.encode()),)
        return headers

    def _target(self, value: bytes = STAR.encode()) -> bytes:
        before, _, after = self.path.partition("{")
        after = after.partition("}")[2]
        return before.encode() + (value + after.encode() if after else b"")

    def _targets(self) -> Iterator[tuple[str, bytes, bool]]:
        for name in self.parameters("path"):
            for value in bad_values.ESCAPED + bad_values.UNESCAPED:
                # `.` and `..` are no names, wherever they may lead.
                is_stray = b"%2F" in value or value in (b".", b"..", b"%2e%2e", b"*")
                yield f"path {name}", self._target(value), is_stray
            for value in bad_values.STRAYS:
                yield f"path {name}", self._target(value), True
        for name in self.parameters("query"):
            key = name.encode()
            for value in bad_values.ESCAPED + bad_values.UNESCAPED:
                query = key + b"=" + value
                yield f"query {name}", self._target() + b"?" + query, False
                if value in bad_values.UNESCAPED:
                    twice = query + b"&" + key + b"=1"
                    yield f"query {name}", self._target() + b"?" + twice, False
        for query in bad_values.QUERIES:
            yield "query", self._target() + b"?" + query, False

    def _body(self, person: Person, name: str = "", raw: bytes = b"") -> bytes:
        """Return a good body, but for the raw value of one of its fields."""
        return self._object(person, self._schema, name, raw)

    def _object(self, person: Person, schema: Any, name: str, raw: bytes) -> bytes:
        needed = set(schema.get("required", ())) | ({name} if name else set())
        if not name and schema.get("minProperties"):
            needed.add("username")
        if self.id == "reportEvents" and "author_id" in schema["properties"]:
            needed |= {"author_username", "posts_count"}
        if name in INSTEAD:
            needed.discard(INSTEAD[name])
        pairs = []
        for key in sorted(needed):
            inner = self._resolve(schema["properties"][key])
            if key == name:
                value = raw
            elif "properties" in inner:
                value = self._object(person, inner, "", b"")
            else:
                value = json.dumps(person.good(self.id, key)).encode()
            pairs.append(json.dumps(key).encode() + b":" + value)
        return b"{" + b",".join(pairs) + b"}"

    def _bodies(self, person: Person) -> Iterator[tuple[str, bytes]]:
        for body in bad_values.BODIES:
            yield "body", body
        for name, inner in self._schema["properties"].items():
            schema = self._resolve(inner)
            for part in schema.get("properties", ()):
                for raw in bad_values.JSON:
                    value = self._object(person, schema, part, raw)
                    yield f"body {name}.{part}", self._body(person, name, value)
            for raw in bad_values.JSON:
                yield f"body {name}", self._body(person, name, raw)
            twice = self._body(person, name, b"0")[:-1] + b',"%b":0}' % name.encode()
            yield f"body {name} twice", twice

    def _bad_headers(
        self, person: Person, signed_in: bool
    ) -> Iterator[tuple[str, tuple[tuple[bytes, bytes], ...]]]:
        # Each with a part of the values; another operation has the next part.
        pairs = itertools.product(bad_values.HEADERS, bad_values.HEADER_VALUES)
        for name, value in itertools.islice(pairs, self.number % 4, None, 4):
            headers = self._headers(person, signed_in)
            yield f"header {name.decode()}", (*headers, (name, value))
        if self.takes_body:
            for value in bad_values.CONTENT_TYPES:
                rest = self._headers(person, signed_in)[1:]
                yield "header Content-Type", ((b"Content-Type", value), *rest)
        if signed_in == self.takes_token:
            tokens = (person.tokens[kind].encode() for kind in ("access", "refresh"))
            for value in bad_values.authorizations(*tokens):
                rest = self._headers(person, signed_in=False)
                yield "header Authorization", ((b"Authorization", value), *rest)


def operations(document: Any) -> Iterable[Operation]:
    """Return all operations of an OpenAPI document."""
    numbers = itertools.count(1)
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield Operation(document, path, method, next(numbers))
