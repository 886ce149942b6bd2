"""The settings of mail: how they are spelled, and which go together."""

from pathlib import Path

import pytest

from careers_users.settings import Settings, SettingsError

POSTGRESQL = {"DATABASE_URL": "postgresql://host/name"}
SMTP = {
    "CAREERS_USERS_MAIL": "smtp://user:secret@mail.example.com",
    "CAREERS_USERS_MAIL_FROM": "Careers <no-reply@example.com>",
    "CAREERS_USERS_LINK_URL": "https://www.example.com/confirm/",
}


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    """Return the settings of an environment."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings.from_env(create=False)


def mistakes(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """Return what is wrong with an environment."""
    with pytest.raises(SettingsError) as caught:
        read(monkeypatch, **variables)
    return str(caught.value)


def test_an_embedded_service_writes_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = read(monkeypatch, HOST="0.0.0.0", PORT="8080")
    assert (settings.mail, settings.data_dir) == ("file", tmp_path / "instance")
    assert settings.link_page == ("http://localhost:8080/careers/users/email/confirm/")
    assert settings.sender == "Careers <careers@localhost>"
    assert (settings.email_verification, settings.email_change) == ("off", "direct")
    assert read(monkeypatch, CAREERS_USERS_MAIL="off").mail == "off"
    monkeypatch.setenv("HOST", "::1")
    assert Settings.from_env(create=False).link_page.startswith("http://[::1]:8080/")


def test_other_services_send_nothing_until_they_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read(monkeypatch, **POSTGRESQL).mail == "off"
    assert read(monkeypatch, **POSTGRESQL, CAREERS_USERS_MAIL="FILE").mail == "file"
    settings = read(monkeypatch, **POSTGRESQL, **SMTP, CAREERS_USERS_LOCALES="de,en")
    assert settings.mail == SMTP["CAREERS_USERS_MAIL"]
    assert settings.link_page == SMTP["CAREERS_USERS_LINK_URL"]
    assert settings.sender == SMTP["CAREERS_USERS_MAIL_FROM"]
    assert settings.locales == ("de", "en")
    assert "secret" not in repr(settings)


def test_a_mail_server_needs_a_sender_and_a_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = mistakes(
        monkeypatch, **POSTGRESQL, CAREERS_USERS_MAIL=SMTP["CAREERS_USERS_MAIL"]
    )
    assert "CAREERS_USERS_MAIL_FROM: It must be set" in said
    assert "CAREERS_USERS_LINK_URL: It must be set" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("name", "value"), [("EMAIL_VERIFICATION", "optional"), ("EMAIL_CHANGE", "confirm")]
)
def test_settings_that_need_mail_are_refused_without(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    variable = f"CAREERS_USERS_{name}"
    assert read(monkeypatch, **{variable: value})  # Embedded: there are files.
    said = mistakes(monkeypatch, **POSTGRESQL, **{variable: value})
    assert f"{variable}: It needs mail: set CAREERS_USERS_MAIL too." in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAIL", "http://secret.example.com"),
        ("MAIL", "smtp://"),
        ("MAIL", "smtp://user:secret@"),
        ("MAIL", "smtp://user:secret@host:99999"),
        ("MAIL", "smtp://user:sec/ret@host"),
        ("MAIL", "smtp://user@host"),
        ("MAIL", "smtp://user:secret@host/path"),
        ("MAIL", "smtp://user:secret@host?x=secret"),
        ("MAIL", "smtp://us er:secret@host"),
        ("MAIL_FROM", "nobody"),
        ("MAIL_FROM", "A <a@example.com>, B <b@example.com>"),
        ("MAIL_FROM", "A\nBcc: b@example.com <a@example.com>"),
        ("LINK_URL", "www.example.com"),
        ("LINK_URL", "https://user@www.example.com/"),
        ("LINK_URL", "https://www.example.com/#there"),
        ("LINK_URL", 'https://www.example.com/"'),
        ("LINK_URL", "javascript://x"),
        ("LOCALES", "../en"),
        ("LOCALES", "en, english-language-of-the-highest-quality"),
        ("EMAIL_CHANGE", "never"),
        ("EMAIL_VERIFICATION", "required"),
    ],
)
def test_values_that_are_none(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    said = mistakes(monkeypatch, **{f"CAREERS_USERS_{name}": value})
    assert f"CAREERS_USERS_{name}: " in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAIL", "smtps://user:p%40ss@[::1]:465/"),
        ("MAIL", "smtp://mail.example.com"),
        ("MAIL_FROM", "no-reply@example.com"),
        ("MAIL_FROM", '"Careers, Inc." <no-reply@example.com>'),
        ("MAIL_FROM", "Carrières <no-reply@example.com>"),
        ("LINK_URL", "http://localhost:3000/confirm?from=mail"),
        ("LOCALES", "pt-BR zh-Hant-TW"),
    ],
)
def test_values_that_are_taken(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    variables = {**SMTP, f"CAREERS_USERS_{name}": value}
    assert read(monkeypatch, **variables)
