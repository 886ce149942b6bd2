"""The commands of `careers-users`, and what only they need."""
