"""The page that links in mail lead to, with its two files.

It changes nothing until a person clicks: programs that open every link of a mail use
none up. The link's token is in the fragment of the address, which no server sees.
"""

from pathlib import Path

from flask import Blueprint, Response

from careers_users.http.static_files import file_response, page_response
from careers_users.validation.limits import BASE_PATH

bp = Blueprint("link_page", __name__, url_prefix=f"{BASE_PATH}/email/confirm")
_STATIC = Path(__file__).parent / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@bp.get("/")
def page() -> Response:
    """Show the page."""
    return page_response(_STATIC / "confirm.html", _POLICY)


@bp.get("/confirm.js/")
def script() -> Response:
    """Answer the script of the page."""
    return file_response(_STATIC / "confirm.js")


@bp.get("/confirm.css/")
def styles() -> Response:
    """Answer the styles of the page."""
    return file_response(_STATIC / "confirm.css")
