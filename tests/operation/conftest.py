"""What the tests of logs share."""

from tests.operation.lines import lines

__all__ = ["lines"]
