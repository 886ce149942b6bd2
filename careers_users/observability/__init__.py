"""What operators see: logs, health, checks and metrics."""
