"""Files of users as other services write them, for the tests of imports."""

import json
from pathlib import Path
from typing import Any

from tests.api import PASSWORD, Api
from tests.auth.test_passwords import django_hash

HASH = django_hash(PASSWORD)


def record(username: str, /, **changes: Any) -> dict[str, Any]:
    """Return a row of the earlier service."""
    return {
        "id": 7,
        "username": username,
        "email": f"{username}@example.com",
        "password": HASH,
        "first_name": "Ada",
        "last_name": "Müller",
        "bio": "",
        "avatar": "",
        "is_active": True,
        "date_joined": "2020-02-03T04:05:06.789+02:00",
        **changes,
    }


def json_lines(path: Path, *records: Any) -> str:
    """Write records as JSON lines; return the file's name."""
    path.write_text("".join(json.dumps(each) + "\n" for each in records), "utf-8")
    return str(path)


def total(api: Api) -> int:
    """Return the number of users, as the list says."""
    number: int = api.get("").json["batch_info"]["total_users"]
    return number
