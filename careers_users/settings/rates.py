"""How often something may be done, as settings say it: `10/5minutes`."""

import re
from dataclasses import dataclass

# From small to large.
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
# The longest window, for which the table of tries keeps its rows.
SECONDS_MAX = 30 * UNITS["day"]
_FORM = re.compile(
    r"([1-9][0-9]{0,8}) */ *([1-9][0-9]{0,8})? *(second|minute|hour|day)s?", re.ASCII
)


@dataclass(frozen=True)
class Rate:
    """So many tries in a window of so many seconds, which begins with the first try."""

    tries: int
    seconds: int

    def __str__(self) -> str:
        """Return the form in which it is set; `parse` reads it."""
        unit = [unit for unit in UNITS if self.seconds % UNITS[unit] == 0][-1]
        number = self.seconds // UNITS[unit]
        return (
            f"{self.tries}/{unit}" if number == 1 else f"{self.tries}/{number}{unit}s"
        )


def parse(value: str) -> Rate | None:
    """Return the rate that `value` means; None for `off`: as often as one likes.

    Raises ValueError with a sentence about the form for anything else.
    """
    if value.strip().lower() == "off":
        return None
    match = _FORM.fullmatch(value.strip().lower())
    seconds = int(match[2] or 1) * UNITS[match[3]] if match else 0
    if match is None or seconds > SECONDS_MAX:
        raise ValueError(
            "Not a rate; it looks like 10/5minutes, 100/hour (at most 30 days), or off."
        )
    return Rate(int(match[1]), seconds)


# The defaults. Failures only, but for LOGIN_SUCCESS, registrations and follows: an
# office of hundreds behind one address signs in without noticing them.
LOGIN = Rate(10, 5 * 60)
LOGIN_ADDRESS = Rate(100, 5 * 60)
# NIST SP 800-63B, section 5.2.2: at most 100 wrong tries on one account in a row.
LOGIN_USERNAME = Rate(50, 60 * 60)
# A right password costs as much work as a wrong one; no person signs in so often.
LOGIN_SUCCESS = Rate(60, 5 * 60)
REGISTER = Rate(100, 60 * 60)
REFRESH = Rate(100, 5 * 60)
PASSWORD = Rate(10, 60 * 60)
FOLLOW = Rate(1000, 60 * 60)

# Of mail, as the contract has them; no settings. Resets asked for from one address, or
# any mail asked for by one user:
MAIL_ASKED = Rate(20, 60 * 60)
# ... and of mail to one address: for each purpose, and in all.
MAIL_MINUTE = Rate(1, 60)
MAIL_HOUR = Rate(5, 60 * 60)
MAIL_DAY = Rate(20, 24 * 60 * 60)
