"""A whole account: exported, its trail shown, deleted."""
