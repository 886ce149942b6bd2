"""Sends the mail of the outbox, in threads beside requests or of the worker.

One thread looks for mail that is due, and starts another to send it, up to SENDERS of
them. So a recipient whose server is slow holds one thread for at most
smtp.WHOLE_SECONDS, and others wait only if SENDERS such conversations are under way.
"""

import logging
import threading
import time

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from careers_users import clock, database
from careers_users.database.errors import is_trouble, sentence
from careers_users.mail import message, outbox, rows, smtp, templates, transport
from careers_users.mail.outbox import Letter
from careers_users.mail.rows import DROPPED, FAILED, SENT, Claim
from careers_users.mail.smtp import Later, Refused

log = logging.getLogger(__name__)

# Between two looks for mail: the first try comes within 2 seconds of the commit.
POLL_SECONDS = 1.0
# ... and if the database can't be asked.
TROUBLE_SECONDS = 15.0
# Between two counts of what waits, for the metrics.
COUNT_SECONDS = 15.0
SENDERS = 4
# How long the end of a process waits for conversations; after that the mail is sent
# again once its lease has expired, even if the server was about to take it.
JOIN_SECONDS = 5.0
# Between two attempts to write down that a mail has been sent.
AGAIN_SECONDS = 1.0
RETRIED = "retried"


class Sender:
    """Sends the mail of one application until an event is set."""

    def __init__(self, app: Flask, stop: threading.Event) -> None:
        self._app, self._stop = app, stop
        self._outbox = outbox.outbox(app)
        self._settings = self._outbox.settings
        self._looking = threading.Thread(target=self._work, name="mail", daemon=True)
        self._sending: list[threading.Thread] = []
        self._count_at = 0.0

    def start(self) -> None:
        """Send mail in threads, if mail is on; call it after a fork."""
        if outbox.is_on(self._app):
            self._looking.start()

    def join(self) -> None:
        """Wait for the conversations under way, for JOIN_SECONDS in all."""
        until = time.monotonic() + JOIN_SECONDS
        for thread in (self._looking, *self._sending):
            if thread.is_alive():
                thread.join(max(0, until - time.monotonic()))

    def send_due(self) -> None:
        """Send all mail that is due, one after the other, unless the event is set."""
        while not self._stop.is_set():
            with self._app.app_context():
                claimed = rows.claim()
            if claimed is None:
                return
            self._send(claimed)

    def _work(self) -> None:
        pause, is_well = POLL_SECONDS, True
        while not self._stop.wait(pause):
            try:
                self._look()
                pause, is_well = POLL_SECONDS, True
            except SQLAlchemyError as error:
                if is_well:
                    log.warning("No mail can be sent: %s", sentence(error))
                pause, is_well = TROUBLE_SECONDS, False
            except Exception:
                log.exception("Mail could not be looked for")
                pause = TROUBLE_SECONDS

    def _look(self) -> None:
        if self._outbox.saw and time.monotonic() >= self._count_at:
            self._count_at = time.monotonic() + COUNT_SECONDS
            self._count()
        self._sending = [thread for thread in self._sending if thread.is_alive()]
        if len(self._sending) >= SENDERS:
            return
        with self._app.app_context():
            is_due = rows.is_due()
        if is_due:
            thread = threading.Thread(target=self._send_beside, daemon=True)
            self._sending.append(thread)
            thread.start()

    def _count(self) -> None:
        with self._app.app_context():
            stands = rows.waiting(database.reader())
        now = clock.utcnow()
        age = (now - (stands.oldest or now)).total_seconds()
        for saw in self._outbox.saw:
            saw(stands.number, age)

    def _send_beside(self) -> None:
        try:
            self.send_due()
        except SQLAlchemyError as error:
            log.warning("Mail could not be sent: %s", sentence(error))
        except Exception:
            log.exception("Mail could not be sent")

    def _send(self, claimed: Claim) -> None:
        """Send one mail, and write down what became of it."""
        row = claimed.row
        if row.ends_at <= clock.utcnow():
            self._end(claimed, FAILED, "expired")
            return
        try:
            with self._app.app_context():
                letter = self._outbox.composers[row.purpose](row)
        except Exception as error:
            if isinstance(error, SQLAlchemyError) and is_trouble(error):
                log.warning("Mail %d waits: %s", row.id, sentence(error))
            else:
                log.exception("Mail %d (%s) can't be composed", row.id, row.purpose)
            self._again(claimed, "composer")
            return
        if letter is None:
            self._end(claimed, DROPPED, None)
            return
        try:
            self._deliver(claimed, letter)
        except Later as error:
            self._again(claimed, str(error))
        except Refused as error:
            to = letter.to if error.by_recipient else None
            self._end(claimed, FAILED, str(error), to)

    def _deliver(self, claimed: Claim, letter: Letter) -> None:
        settings, row = self._settings, claimed.row
        known = templates.load(settings.mail_templates, settings.locales)
        try:
            with self._app.app_context():
                mail = message.compose(settings, known, row, letter)
        except (KeyError, ValueError) as error:
            # The error's own words may have the address in them.
            log.error("Mail %d has a fault (%s)", row.id, type(error).__name__)
            raise Refused("message") from error
        transport.deliver(
            settings,
            row,
            letter.to,
            mail,
            lambda: self._end(claimed, SENT, None, letter.to),
        )

    def _end(
        self, claimed: Claim, state: str, error: str | None, to: str | None = None
    ) -> None:
        """Write down the end of a mail, also if the database is away for a moment.

        A mail that has been accepted is sent twice if that can't be written.
        """
        until = time.monotonic() + rows.LEASE_SECONDS - smtp.WHOLE_SECONDS
        while True:
            try:
                with self._app.app_context():
                    is_ours = rows.finish(claimed, state, error, to)
                break
            except SQLAlchemyError as trouble:
                if self._stop.is_set() or time.monotonic() > until:
                    raise
                log.warning("Mail %d: %s", claimed.row.id, sentence(trouble))
                self._stop.wait(AGAIN_SECONDS)
        if is_ours:
            self._tell(claimed, state, error)

    def _again(self, claimed: Claim, error: str) -> None:
        with self._app.app_context():
            next_try = rows.try_again(claimed, error)
        self._tell(claimed, FAILED if next_try is None else RETRIED, error)

    def _tell(self, claimed: Claim, outcome: str, error: str | None) -> None:
        level = logging.INFO if error is None else logging.WARNING
        why = "" if error is None else f": {error}"
        number, purpose, tries = claimed.row.id, claimed.row.purpose, claimed.tries
        log.log(
            level, "Mail %d (%s), try %d: %s%s", number, purpose, tries, outcome, why
        )
        for ended in self._outbox.ended:
            ended(purpose, outcome)
