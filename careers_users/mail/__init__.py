"""Mail: rows of the outbox, and how they reach mailboxes."""
