"""The numbers of mail for Prometheus: how tries have ended, and what waits."""

from careers_users.mail.outbox import Outbox
from careers_users.mail.purposes import PURPOSES
from careers_users.mail.rows import DROPPED, FAILED, SENT
from careers_users.mail.sender import RETRIED
from careers_users.observability.meters import Meters


def watch(meters: Meters, outbox: Outbox) -> None:
    """Count the mail that this process sends; follow what waits for any."""
    tries = meters.counter(
        "mails", "Tries to send mail, by how they ended.", "purpose", "outcome"
    )
    for purpose in PURPOSES:
        for outcome in (SENT, FAILED, DROPPED, RETRIED):
            tries.labels(purpose, outcome)  # From 0, so that a rate sees the first.
    waiting = meters.gauge(
        "mails_waiting", "Mails that are not sent yet.", together="mostrecent"
    )
    oldest = meters.gauge(
        "mail_oldest_seconds",
        "Seconds that the oldest of them has waited.",
        together="mostrecent",
    )

    def saw(number: int, seconds: float) -> None:
        waiting.set(number)
        oldest.set(seconds)

    outbox.ended.append(lambda purpose, outcome: tries.labels(purpose, outcome).inc())
    outbox.saw.append(saw)
