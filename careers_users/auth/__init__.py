"""Accounts and sessions: registration, login, token refresh, logout."""
