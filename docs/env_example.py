"""Writes deploy/careers_users.env.example from the tables of docs/configuration.md.

    python docs/env_example.py

A test fails while the file is not what this would write.
"""

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "deploy/careers_users.env.example"
SOURCE = ROOT / "docs/configuration.md"
HEAD = """\
# All settings of careers_users, for /etc/careers_users/careers_users.env (systemd) or
# docker run --env-file. One NAME=value a line, without quotes; a # begins a comment at
# the start of a line alone. What is commented out shows the default.
#
# Secrets are in this file, or in files of their own: NAME_FILE=/path names one. Let
# only root read this file: chmod 600.
#
# Made by docs/env_example.py.
"""
# Settings that production has to make itself, instead of a default.
EXAMPLES = {
    "DATABASE_URL": "postgresql://careers:change-me@127.0.0.1/careers",
    "CAREERS_USERS_JWT_SECRET_KEY": "",
    "CAREERS_USERS_MAIL": "smtps://careers:change-me@mail.example.com:465",
    "CAREERS_USERS_MAIL_FROM": "no-reply@example.com",
    "CAREERS_USERS_LINK_URL": ("https://www.example.com/careers/users/email/confirm/"),
    "CAREERS_USERS_EMAIL_VERIFICATION": "optional",
    "CAREERS_USERS_EMAIL_CHANGE": "confirm",
    "CAREERS_USERS_PROCESSES": "2",
    "CAREERS_USERS_TRUSTED_PROXY": "127.0.0.1",
}
_SECTION = re.compile(r"^## (?P<title>.+)\n(?P<text>(?:(?!## ).*\n)*)", re.MULTILINE)
_ROW = re.compile(r"^\| `([A-Z_0-9]+)` \|(.*?)\| (.+) \|$", re.MULTILINE)


def example() -> str:
    """Return the whole file, as the document has the settings today."""
    parts = [HEAD]
    for section in _SECTION.finditer(SOURCE.read_text("utf-8")):
        rows = _ROW.findall(section["text"])
        if rows:
            parts.append(f"\n# ---- {section['title']} ----\n")
            parts += [_entry(*row) for row in rows]
    return "".join(parts)


def _entry(name: str, default: str, meaning: str) -> str:
    plain = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", meaning)
    plain = plain.replace("`", "").replace("*", "")
    lines = textwrap.wrap(plain, 88, initial_indent="# ", subsequent_indent="# ")
    if name in EXAMPLES:
        setting = f"{name}={EXAMPLES[name]}"
    else:
        # A default in words, such as "number of cores", is no value.
        default = default.strip()
        value = default.strip("`") if default.startswith("`") else ""
        setting = f"#{name}={value}"
    return "\n".join(["", *lines, setting, ""])


if __name__ == "__main__":
    TARGET.write_text(example(), "utf-8")
