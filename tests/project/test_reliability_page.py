"""docs/reliability.md names each promise under stress that is tested, and no other."""

import re

from tests.live_server import ROOT


def test_the_page_and_the_tests_name_the_same_promises() -> None:
    page = (ROOT / "docs/reliability.md").read_text("utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", page)
    there = {
        (path.name, name)
        for path in ROOT.glob("tests/stress/test_*.py")
        for name in re.findall(
            r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE
        )
    }
    assert set(named) == there
    assert len(named) == len(there)
