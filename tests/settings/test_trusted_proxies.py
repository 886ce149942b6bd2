"""The settings of trusted proxies: addresses, networks, and what contradicts itself."""

import pytest

from careers_users.settings import Settings, SettingsError

PROXY = "CAREERS_USERS_TRUSTED_PROXY"


@pytest.fixture(autouse=True)
def _only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://careers@127.0.0.1/careers")
    for ending in ("", "_COUNT", "_HEADERS"):
        monkeypatch.delenv(PROXY + ending, raising=False)


@pytest.mark.parametrize(
    ("value", "proxies"),
    [
        ("", ()),
        ("*", ("*",)),
        ("127.0.0.1", ("127.0.0.1",)),
        ("10.0.0.0/8, 2001:DB8::1 ::1", ("10.0.0.0/8", "2001:db8::1", "::1")),
        ("::ffff:10.0.0.7,::ffff:10.0.0.0/104", ("10.0.0.7", "10.0.0.0/8")),
    ],
)
def test_addresses_and_networks_are_taken(
    monkeypatch: pytest.MonkeyPatch, value: str, proxies: tuple[str, ...]
) -> None:
    monkeypatch.setenv(PROXY, value)
    assert Settings.from_env().trusted_proxy == proxies


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"": "nginx"}, "list addresses and networks"),
        ({"": "10.0.0.1/8"}, "has host bits set"),
        ({"": "127.0.0.1 *"}, "name it alone"),
        ({"_COUNT": "2"}, "set CAREERS_USERS_TRUSTED_PROXY too"),
        ({"": "::1", "_HEADERS": "forwarded x-forwarded-for"}, "name it alone"),
        ({"": "::1", "_HEADERS": "x-real-ip"}, "is none of"),
    ],
)
def test_contradictions_are_refused(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], sentence: str
) -> None:
    for ending, value in settings.items():
        monkeypatch.setenv(PROXY + ending, value)
    with pytest.raises(SettingsError, match=sentence):
        Settings.from_env()
