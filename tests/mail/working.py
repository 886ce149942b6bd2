"""Workers in processes of their own, which send the mail that tests write."""

import sys
from pathlib import Path

from tests.live_server import KEY, Server
from tests.mail.post_office import PostOffice
from tests.mail.written import FROM, LINK_URL

# The console command, with composers of the tests, which looks more often for mail.
COMMAND = """
import sys
from careers_users.mail import outbox, rows, sender
from tests.mail.written import COMPOSERS
begin = outbox.init_app
outbox.init_app = lambda app, settings, _: begin(app, settings, COMPOSERS)
sender.POLL_SECONDS = 0.05
rows.LEASE_SECONDS = float(sys.argv.pop(1))
from careers_users.__main__ import main
main()
"""
LEASE = 300.0


def worker(
    folder: Path,
    database_url: str,
    office: PostOffice,
    *words: str,
    lease: float = LEASE,
) -> Server:
    """Start a worker, or what `words` say, that sends to a post office."""
    return Server(
        folder,
        command=(sys.executable, "-c", COMMAND, str(lease), *(words or ("worker",))),
        DATABASE_URL=database_url,
        CAREERS_USERS_JWT_SECRET_KEY=KEY,
        CAREERS_USERS_MAIL=office.url,
        CAREERS_USERS_MAIL_FROM=FROM,
        CAREERS_USERS_LINK_URL=LINK_URL,
    )
