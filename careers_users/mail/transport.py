"""How a mail leaves: to the mail server, or into a file."""

import logging
from collections.abc import Callable
from email.message import EmailMessage

from careers_users.mail import files, smtp
from careers_users.mail.message import sender_of
from careers_users.mail.outbox import MailRow
from careers_users.settings import Settings
from careers_users.settings.mail import FILE

log = logging.getLogger(__name__)


def deliver(
    settings: Settings,
    row: MailRow,
    to: str,
    message: EmailMessage,
    accepted: Callable[[], object],
) -> None:
    """Deliver a mail; call `accepted` as soon as it is another's to deliver.

    Raises smtp.Later or smtp.Refused if it is not, and whatever `accepted` raises.
    """
    if settings.mail != FILE:
        server = smtp.Server.of(settings.mail)
        smtp.deliver(server, sender_of(settings), to, message, accepted)
        return
    try:
        path = files.write(settings.data_dir / "mail", row, message)
    except OSError as error:
        log.warning("Mail can't be written into a file: %s", error.strerror)
        raise smtp.Later("file") from error
    log.info("Mail %d (%s) is in %s", row.id, row.purpose, path)
    accepted()
