"""A check that the parts of waitress that we replace exist.

In a version without them our replacements would have no effect, silently.
"""


def require(owner: object, *names: str) -> None:
    """Raise ImportError unless `owner`, of waitress, has all these names."""
    missing = [name for name in names if not hasattr(owner, name)]
    if missing:
        raise ImportError(
            f"This version of waitress has no {', '.join(missing)} in {owner!r}: "
            "use the one of requirements.lock."
        )
