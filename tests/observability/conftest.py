"""Fixtures of the tests of logs."""

from tests.observability.log_lines import lines

__all__ = ["lines"]
