"""The client's address and scheme, behind proxies or without any (S3)."""

from collections.abc import Iterator

import pytest

from tests.server.small_server import Launch, Running, assert_refused, end, options

FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
PEER = "127.0.0.1"
# Headers of a proxy for a client, and the address that is the client's; the peer's
# where the proxy hides it.
NODES = {
    "203.0.113.9": "203.0.113.9",
    "203.0.113.9:4711": "203.0.113.9",
    "203.0.113.9:_port": "203.0.113.9",
    "2001:db8::1": "2001:db8::1",
    "2001:DB8:0:0::1": "2001:db8::1",
    "[2001:db8::1]": "2001:db8::1",
    "[2001:db8::1]:4711": "2001:db8::1",
    "::ffff:203.0.113.9": "203.0.113.9",
    "::FFFF:cb00:7109": "203.0.113.9",
    "[::ffff:203.0.113.9]": "203.0.113.9",
    "[::ffff:203.0.113.9]:80": "203.0.113.9",
    "fe80::1%eth0": "fe80::1",
    "[fe80::1%25eth0]:80": "fe80::1",
    "unknown": PEER,
    "Unknown": PEER,
    "unknown:4711": PEER,
    "_hidden": PEER,
    "_SEVKISEK:_8": PEER,
}
NONSENSE = (
    *("<script>", ":80", '"', "1.2.3", "256.1.1.1", "1.2.3.4:", "1.2.3.4:http"),
    *("01.2.3.4", "1.2.3.4:123456", "[1.2.3.4]", "[2001:db8::1", "2001:db8::1]", "[]"),
    *("::g", "_", "[2001:db8::1]4711", "localhost", "1.2.3.4%eth0", "\xb2.2.3.4"),
)


def trusting(folder: pytest.TempPathFactory, **changes: object) -> Iterator[Running]:
    """Serve with a trusted proxy on this machine."""
    changes = {"trusted_proxy": [PEER], **changes}
    running = Running(folder.mktemp("trusting"), options(**changes))
    try:
        yield running.listening()
    finally:
        end(running)


@pytest.fixture(scope="module")
def by_list(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield a server whose proxy sends X-Forwarded-For."""
    yield from trusting(tmp_path_factory)


@pytest.fixture(scope="module")
def by_rfc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield a server whose proxy sends Forwarded."""
    yield from trusting(tmp_path_factory, trusted_proxy_headers=["forwarded"])


def test_every_form_of_an_address_is_read(by_list: Running, by_rfc: Running) -> None:
    for written, address in NODES.items():
        listed = by_list.get("/ip", {"X-Forwarded-For": written})
        assert (listed.status, listed.json()["ip"]) == (200, address), written
        for form in ('for="{}"', "For={}", 'proto=http;for="{}";by=_me', 'for="{}" '):
            header = {"Forwarded": form.format(written)}
            reply = by_rfc.get("/ip", header)
            assert (reply.status, reply.json()["ip"]) == (200, address), header


def test_a_text_that_is_no_address_is_refused(
    by_list: Running, by_rfc: Running
) -> None:
    for nonsense in NONSENSE:
        refused = by_list.get("/ip", {"X-Forwarded-For": nonsense})
        assert_refused(refused, 400, "malformed_request")
        refused = by_rfc.get("/ip", {"Forwarded": f'for="{nonsense}"'})
        assert_refused(refused, 400, "malformed_request")
    for nonsense in ("for", "for=", "for=1.2.3.4;for=1.2.3.5", 'for="1.2.3.4', "=1"):
        refused = by_rfc.get("/ip", {"Forwarded": nonsense})
        assert_refused(refused, 400, "malformed_request")
    assert "make no sense" in by_list.wait_for("make no sense").string


def test_the_scheme_is_http_or_https(by_list: Running, by_rfc: Running) -> None:
    for scheme in ("https", "HTTPS"):
        reply = by_list.get("/ip", {"X-Forwarded-Proto": scheme})
        assert reply.json()["scheme"] == "https"
        reply = by_rfc.get("/ip", {"Forwarded": f"for=_x;proto={scheme}"})
        assert reply.json()["scheme"] == "https"
    refused = by_list.get("/ip", {"X-Forwarded-Proto": "<script>"})
    assert_refused(refused, 400, "malformed_request")


def test_only_the_proxys_own_entry_counts(by_list: Running, by_rfc: Running) -> None:
    listed = {"X-Forwarded-For": "<script>, 198.51.100.1,, 2001:db8::1"}
    assert by_list.get("/ip", listed).json()["ip"] == "2001:db8::1"
    quoted = {"Forwarded": r'for="a, \"b;c", for=198.51.100.1 , for=203.0.113.5'}
    assert by_rfc.get("/ip", quoted).json()["ip"] == "203.0.113.5"
    reply = by_list.get("/ip", {"X-Forwarded-For": ""})
    assert (reply.status, reply.json()["ip"]) == (200, PEER)
    # A header that the settings do not name may be the client's.
    others = {"Forwarded": "for=192.0.2.1", "X-Forwarded-Host": "evil.example"}
    assert by_list.get("/ip", others).json() == {
        "ip": PEER,
        "scheme": "http",
        "seen": [],
    }


def test_the_first_of_a_chain_of_proxies_knows_the_client(launch: Launch) -> None:
    networks = ["192.0.2.0/24", "127.0.0.0/8"]
    running = launch(trusted_proxy=networks, trusted_proxy_count=2).listening()
    for listed, address in {
        "198.51.100.9, 203.0.113.7, 192.0.2.1": "203.0.113.7",
        "203.0.113.7": "203.0.113.7",
        "198.51.100.9, unknown, 192.0.2.1": "192.0.2.1",
    }.items():
        reply = running.get("/ip", {"X-Forwarded-For": listed})
        assert reply.json()["ip"] == address, listed
    chain = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https, http"}
    assert running.get("/ip", chain).json()["scheme"] == "https"


def test_every_peer_can_be_trusted(launch: Launch) -> None:
    running = launch(trusted_proxy=["*"]).listening()
    assert running.get("/ip", FORWARDED).json()["ip"] == "203.0.113.7"


def test_forwarded_headers_are_dropped_without_a_proxy(server: Running) -> None:
    headers = {**FORWARDED, "Forwarded": "for=203.0.113.7;proto=https"}
    reply = server.get("/ip", headers)
    assert reply.json() == {"ip": PEER, "scheme": "http", "seen": []}


def test_forwarded_headers_of_an_untrusted_peer(launch: Launch) -> None:
    running = launch(trusted_proxy=["192.0.2.1", "10.0.0.0/8", "::/64"]).listening()
    for headers in ({}, FORWARDED, {"Forwarded": "for=203.0.113.7"}):
        reply = running.get("/ip", headers)
        assert reply.json() == {"ip": PEER, "scheme": "http", "seen": []}
    # The operator hears of it, once.
    advice = f"set CAREERS_USERS_TRUSTED_PROXY={PEER}"
    running.wait_for(advice)
    running.process.terminate()
    running.exit_code()
    assert running.log().count(advice) == 1
