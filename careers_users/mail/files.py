"""Mail as files of a directory, for development: nothing leaves the machine."""

import os
import stat
from email.message import EmailMessage
from pathlib import Path

from careers_users.mail.outbox import MailRow

# Older files are deleted.
FILES_KEPT = 100
_PRIVATE = stat.S_IRUSR | stat.S_IWUSR


def write(directory: Path, row: MailRow, message: EmailMessage) -> Path:
    """Write a mail into a file of its own; return its path.

    The file has its name once it is whole, and the same name in each try. Only its
    owner can read it. Raises OSError.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    when = f"{row.created_at:%Y%m%dT%H%M%S}"
    path = directory / f"{when}-{row.id:08}-{row.purpose}.eml"
    draft = path.with_name(f".{path.name}.part")
    draft.unlink(missing_ok=True)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    with os.fdopen(os.open(draft, flags, _PRIVATE), "wb") as file:
        file.write(message.as_bytes())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    for old in sorted(directory.glob("*.eml"))[:-FILES_KEPT]:
        old.unlink(missing_ok=True)
    return path
