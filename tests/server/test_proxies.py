"""Who a client is, behind a proxy or without one."""

from tests.server.small_server import Launch, Running, assert_refused

FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}


def test_forwarded_headers_are_dropped_without_a_proxy(server: Running) -> None:
    headers = {**FORWARDED, "Forwarded": "for=203.0.113.7;proto=https"}
    reply = server.get("/ip", headers)
    assert reply.json() == {"ip": "127.0.0.1", "scheme": "http", "seen": []}


def test_forwarded_headers_of_the_trusted_proxy(launch: Launch) -> None:
    running = launch(trusted_proxy="127.0.0.1").listening()
    reply = running.get("/ip", {**FORWARDED, "X-Forwarded-Host": "evil.example"}).json()
    assert (reply["ip"], reply["scheme"]) == ("203.0.113.7", "https")
    assert "X-Forwarded-Host" not in reply["seen"]
    # Of a list, only the proxy's own entry counts: the client wrote the others.
    listed = {"X-Forwarded-For": "198.51.100.1, 2001:db8::1"}
    assert running.get("/ip", listed).json()["ip"] == "2001:db8::1"
    for nonsense in ("<script>", ":80", '"'):
        reply = running.get("/ip", {"X-Forwarded-For": nonsense})
        assert_refused(reply, 400, "malformed_request")
    refused = running.get("/ip", {"X-Forwarded-Proto": "<script>"})
    assert_refused(refused, 400, "malformed_request")


def test_forwarded_headers_of_somebody_else(launch: Launch) -> None:
    running = launch(trusted_proxy="192.0.2.1").listening()
    for headers in ({}, FORWARDED, {"Forwarded": "for=203.0.113.7"}):
        reply = running.get("/ip", headers)
        assert reply.json() == {"ip": "127.0.0.1", "scheme": "http", "seen": []}
    # The operator hears of it, once.
    advice = "set CAREERS_USERS_TRUSTED_PROXY=127.0.0.1"
    running.wait_for(advice)
    running.process.terminate()
    running.exit_code()
    assert running.log().count(advice) == 1
