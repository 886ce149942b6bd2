"""One rule for all files with secrets: their group may read them, others may not."""

import os
from pathlib import Path

import pytest

from careers_users import clock
from careers_users.keys import KeyRingError, new_key, read_ring, write_ring
from careers_users.settings import Settings, SettingsError, secret_file

pytestmark = pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")
SECRET = "a secret for the rule of files with secrets" + "s" * secret_file.KEY_LENGTH
SECRETS = {
    "CAREERS_USERS_JWT_SECRET_KEY": SECRET,
    "DATABASE_URL": "postgresql://careers:secret@127.0.0.1/careers",
    "DATABASE_READ_URL": "postgresql://careers:secret@127.0.0.2/careers",
    "CAREERS_USERS_EVENTS_TOKENS": "t" * 40,
}
PRIVATE = (0o400, 0o600, 0o440, 0o640, 0o660)
PUBLIC = (0o444, 0o644, 0o604, 0o666, 0o602, 0o601)


def read_setting(path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a setting from a file."""
    monkeypatch.setenv("DATABASE_URL", SECRETS["DATABASE_URL"])
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{name}_FILE", str(path))
    Settings.from_env()


@pytest.mark.parametrize("name", SECRETS)
def test_the_file_of_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRETS[name])
    for mode in PRIVATE:
        path.chmod(mode)
        read_setting(path, name, monkeypatch)
    for mode in PUBLIC:
        path.chmod(mode)
        expected = f"{name}_FILE: {path} can be read by others: chmod o= it"
        with pytest.raises(SettingsError, match=expected) as refused:
            read_setting(path, name, monkeypatch)
        assert SECRETS[name] not in str(refused.value)


def test_a_file_that_is_no_secret_may_be_public(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "port"
    path.write_text("8001")
    path.chmod(0o644)
    read_setting(path, "PORT", monkeypatch)


def test_the_key_ring(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = new_key("HS256", clock.utcnow().timestamp())
    write_ring(path, lambda: ([key], SECRET.encode()))
    for mode in PRIVATE:
        path.chmod(mode)
        assert read_ring(path).signing_key().kid == key.kid
    for mode in PUBLIC:
        path.chmod(mode)
        with pytest.raises(KeyRingError, match="can be read by others: chmod o= it"):
            read_ring(path)


def test_the_signing_key_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "jwt_secret_key"
    path.write_text(SECRET)
    for mode in PRIVATE:
        path.chmod(mode)
        assert secret_file.read_or_create(path) == SECRET
    for mode in PUBLIC:
        path.chmod(mode)
        with pytest.raises(secret_file.SecretFileError, match="chmod o= it"):
            secret_file.read_or_create(path)


def test_a_ring_of_another_user_is_to_be_given_not_made(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text("{}")
    path.chmod(0o000)
    is_root = os.geteuid() == 0
    if is_root:  # Root may read everything, so another user looks.
        for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            folder.chmod(0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(KeyRingError, match="Give it to the service's user"):
            read_ring(path)
    finally:
        if is_root:
            os.seteuid(0)
