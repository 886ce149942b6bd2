"""What the service that owns posts tells us: events, and the counters they move."""
