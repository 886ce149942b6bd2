"""The purposes of mail: for each, the values that its templates may name."""

from collections.abc import Mapping
from dataclasses import dataclass

_TIME = "2026-11-29 14:05 UTC"


@dataclass(frozen=True)
class Purpose:
    """A reason to send mail.

    `link` is what its link says it is for, "" for a mail without a link. `examples`
    has the names that templates may use besides `service` and `link`, each with the
    value that a preview shows.
    """

    link: str
    examples: Mapping[str, str]


# Mail to an address that is not verified names nothing that a person chose: strangers
# could have us send their words to anybody.
PURPOSES: Mapping[str, Purpose] = {
    "verify": Purpose("verify", {"hours": "24"}),
    "reset": Purpose("reset", {"minutes": "30"}),
    "change-new": Purpose("change", {"hours": "24"}),
    "change-old": Purpose(
        "change",
        {"hours": "24", "username": "ada", "new_email": "ada@example.org"},
    ),
    "password-changed": Purpose("", {"username": "ada", "time": _TIME}),
    "address-changed": Purpose("", {"username": "ada", "time": _TIME}),
    "suspension": Purpose("", {"username": "ada", "time": _TIME}),
    # The name has gone with the account.
    "deletion": Purpose("", {"time": _TIME}),
    "new-device": Purpose(
        "",
        {
            "username": "ada",
            "time": _TIME,
            "device": "Firefox on Linux",
            "address": "203.0.113.7",
        },
    ),
    # An operator's `careers-users mail test`.
    "test": Purpose("", {}),
}
