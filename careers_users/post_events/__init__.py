"""Events of the service that owns posts, and the counters they move."""
