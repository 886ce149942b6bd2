"""Background jobs, run by tests at once instead of when they are due."""

from threading import Event

from flask import Flask

from careers_users.jobs.runner import Runner, registry


def run_jobs(app: Flask, *names: str) -> int:
    """Run the jobs of these names, or else all; return how much they have done."""
    runner = Runner(app, Event())
    return sum(runner.run(name) for name in names or registry(app).jobs)
