"""A mail as it goes out: its headers, its two forms, and its link."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from urllib.parse import urlencode

from careers_users.keys import keyed_hash
from careers_users.mail.outbox import Letter, MailRow
from careers_users.mail.purposes import PURPOSES
from careers_users.mail.templates import Templates, Words
from careers_users.settings import Settings

# RFC 5322, section 2.1.1: a link is longer than the usual 78 characters, and should
# not be cut in two where the text needs no encoding.
# To servers that take seven bits alone, too.
_POLICY = SMTP.clone(max_line_length=998, cte_type="7bit")


def compose(
    settings: Settings, templates: Templates, row: MailRow, letter: Letter
) -> EmailMessage:
    """Return the mail of a row; the same each time, but for what its letter says.

    Raises ValueError for an address that no header can hold, such as one with a line
    break, and KeyError if the letter lacks a value that a template names.
    """
    leads_to = link(settings, row.purpose, letter.link_token)
    values = {**letter.values, "service": service_of(settings)}
    words = templates.words(row.locale, row.purpose, values, leads_to)
    return _message(settings, row, Address(addr_spec=letter.to), words)


def service_of(settings: Settings) -> str:
    """Return how the service calls itself: the sender's name, or else its domain."""
    name, address = parseaddr(settings.sender)
    return name or address.rpartition("@")[2]


def sender_of(settings: Settings) -> str:
    """Return the sender's address alone."""
    return parseaddr(settings.sender)[1]


def link(settings: Settings, purpose: str, token: str | None) -> str:
    """Return the link of a mail, "" if it has none.

    The token is behind `#`: no browser sends that to a server.
    """
    if not PURPOSES[purpose].link:
        return ""
    if not token:
        raise ValueError(f"A mail for {purpose} needs a token.")
    named = urlencode({"purpose": PURPOSES[purpose].link, "token": token})
    return f"{settings.link_page}#{named}"


def _message(
    settings: Settings, row: MailRow, to: Address, words: Words
) -> EmailMessage:
    name, address = parseaddr(settings.sender)
    message = EmailMessage(_POLICY)
    message["From"] = Address(name, addr_spec=address)
    message["To"] = to
    message["Subject"] = words.subject
    message["Date"] = row.created_at
    # Each try has the same one, so that a mail that arrives twice can be told from two.
    number = keyed_hash("mail", row.id)[:32]
    message["Message-ID"] = f"<{number}@{address.rpartition('@')[2]}>"
    # RFC 3834, section 5: no vacation message comes back.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(words.text)
    message.add_alternative(words.html, subtype="html")
    message["Content-Language"] = row.locale  # Contents replace it.
    message.set_boundary(f"={number}")
    return message
