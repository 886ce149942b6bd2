"""Commands and settings that the documents show, done as they say."""

from pathlib import Path

from tests.deploy import shell

OPERATIONS = "operations.md"


def test_a_shell_gets_the_settings_that_systemd_reads(tmp_path: Path) -> None:
    # What a shell would read otherwise: & and $ in an address, spaces, quotes.
    settings = {
        "DATABASE_URL": "postgresql://u:p$w'@/careers?host=10.0.0.1&host=10.0.0.2",
        "CAREERS_USERS_TRUSTED_PROXY_HEADERS": "x-forwarded-for x-forwarded-proto",
    }
    lines = [f"{name}={value}" for name, value in settings.items()]
    file = tmp_path / "careers_users.env"
    file.write_text("\n".join(["# A comment", "#PORT=1", "", *lines, ""]), "utf-8")
    script = shell.block(OPERATIONS, "Operations")
    assert f"/etc/careers_users/{file.name}" in script
    script = script.replace(f"/etc/careers_users/{file.name}", str(file))
    seen = shell.run(shell.checkout(tmp_path), f"{script}\nenv").splitlines()
    assert set(lines) <= set(seen)
    assert not any(line.startswith("PORT=") for line in seen)
