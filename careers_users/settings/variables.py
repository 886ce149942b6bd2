"""The environment's variables, with what is wrong with them, in words."""

import logging
import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from environs import EnvValidationError, FileAwareEnv

from careers_users.settings import mail, parsers, secret_file

log = logging.getLogger(__name__)

PREFIX = "CAREERS_USERS_"


class Variables(FileAwareEnv):
    """Counts an unreadable `NAME_FILE` among the mistakes; does not raise at once.

    `secrets` are the variables with secrets: no value of them is shown, and their files
    must be private.
    """

    def __init__(self, secrets: frozenset[str]) -> None:
        super().__init__(eager=False, strip_whitespace=True)
        self._secrets = secrets
        for name, parse in parsers.PARSERS.items():
            self.add_parser(name, parse)

    def _get_value(self, env_key: str, default: Any) -> Any:
        name = f"{env_key}_FILE"
        try:
            if (path := os.environ.get(name)) and env_key in self._secrets:
                secret_file.refuse_public(Path(path).stat().st_mode)
            return super()._get_value(env_key, default)
        except secret_file.SecretFileError as error:
            self._errors[name].append(f"{path} {error}")
        except (ValueError, OSError) as error:
            self._errors[name].append(str(error))
        return default

    def refuse_replica_of_sqlite(self, values: Mapping[str, Any]) -> None:
        """Count a replica of what can't have one among the mistakes."""
        url: str | None = values["database_url"]
        is_postgresql = url is not None and not url.startswith("sqlite")
        is_known = "DATABASE_URL" not in self._errors
        if values["database_read_url"] and is_known and not is_postgresql:
            self._errors["DATABASE_READ_URL"].append(
                "Only PostgreSQL has replicas: set DATABASE_URL to its primary."
            )

    def refuse_chain_of_untrusted(self, values: Mapping[str, Any]) -> None:
        """Count a number of proxies, none of which is trusted, among the mistakes."""
        if (values["trusted_proxy_count"] or 1) > 1 and not values["trusted_proxy"]:
            self._errors["CAREERS_USERS_TRUSTED_PROXY_COUNT"].append(
                "No proxy is trusted: set CAREERS_USERS_TRUSTED_PROXY too."
            )

    def refuse_mail_at_odds(self, values: Mapping[str, Any]) -> None:
        """Count settings of mail that do not go together among the mistakes."""
        for name, text in mail.mistakes(values):
            self._errors[f"{PREFIX}{name.upper()}"].append(text)

    def warn_of_unknown(self) -> None:
        """Log the variables that look like settings of ours and are none."""
        known = {*self._fields, *(f"{name}_FILE" for name in self._fields)}
        for name in sorted(os.environ.keys() - known):
            if name.startswith(PREFIX) and "_TEST_" not in name:
                near = get_close_matches(name, sorted(known), 1)
                hint = f" Is {near[0]} meant?" if near else ""
                log.warning(
                    "%s is not a setting of this version; ignored.%s", name, hint
                )

    def list_mistakes(self, error: EnvValidationError) -> str:
        """Return all that is wrong, a line for each variable, with its value."""
        mistakes = error.error_messages
        lines = [
            f"  {name}: {' '.join(map(str, texts))}{self._value_of(name)}"
            for name, texts in (mistakes.items() if isinstance(mistakes, dict) else ())
        ]
        return "These settings are wrong:\n" + "\n".join(lines or [f"  {mistakes}"])

    def _value_of(self, name: str) -> str:
        value = os.environ.get(name)
        is_shown = value is not None and name not in self._secrets
        return f" (It is {value!r}.)" if is_shown else ""
