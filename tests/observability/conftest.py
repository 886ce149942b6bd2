"""What the tests of logs share."""

from tests.observability.log_lines import lines

__all__ = ["lines"]
