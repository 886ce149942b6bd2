"""Sessions: refreshed and rotated, listed and ended by their owner."""
