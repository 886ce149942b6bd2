"""How requests come in and replies go out: JSON, errors, headers, who asks whence."""
