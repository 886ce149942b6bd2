"""How the settings write how often something may be tried."""

import pytest

from careers_users.settings import rates
from careers_users.settings.rates import Rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/5minutes", Rate(10, 300)),
        ("1/second", Rate(1, 1)),
        (" 100 / 1 hour ", Rate(100, 3600)),
        ("7/30Days", Rate(7, 30 * 86400)),
        ("off", None),
    ],
)
def test_rates_are_read_and_written(text: str, rate: Rate | None) -> None:
    assert rates.parse(text) == rate
    assert rate is None or rates.parse(str(rate)) == rate


@pytest.mark.parametrize(
    "text", ["", "10", "0/hour", "10/0minutes", "-1/hour", "10/31days", "x/hour", "9/h"]
)
def test_a_text_that_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="looks like 10/5minutes"):
        rates.parse(text)
