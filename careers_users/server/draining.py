"""Whether this process was told to stop: the server sets it, others look.

`draining`: the whole service goes away; readiness says so. `closing`: each reply is the
last one of its connection, since this process goes away, whoever takes its place.
"""

import threading
from collections.abc import Callable

draining: threading.Event = threading.Event()
closing: threading.Event = threading.Event()

# What is to be done in this process when it has served, the last first.
at_end: list[Callable[[], object]] = []
