"""The audit trail: what happened to an account, kept for its owner."""
