"""The operator's view: logs, health, checks and metrics."""
