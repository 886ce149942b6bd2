"""Whether this process was told to stop: the server sets it, readiness reports it."""

import threading

draining: threading.Event = threading.Event()
