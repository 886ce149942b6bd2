"""The API explained to its callers: `/openapi.json`, and `/docs/`, a page to try it.

The page is Swagger UI, served from here with all it needs: no other host is asked.
"""

from importlib.util import find_spec
from pathlib import Path

import orjson
from flask import Blueprint, Response

from careers_users.extensions import Slot
from careers_users.http.openapi import document
from careers_users.http.static_files import cached, file_response, page_response

bp = Blueprint("docs", __name__)

_OURS = Path(__file__).parent / "static"
# Made when first asked for, and then stored with the application.
_DOCUMENT = Slot("openapi", lambda app: orjson.dumps(document.document(app)))
# The files of the page, and nothing else that lies beside them.
_FILES = ("page.js", "page.css")
_SWAGGER_FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
# Scripts and styles from files of this host only; Swagger UI's icons are data: URLs.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _swagger_directory() -> Path:
    """Return where flask-swagger-ui keeps Swagger UI's files, without importing it."""
    found = find_spec("flask_swagger_ui")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / "dist"


@bp.get("/")
def root() -> Response:
    """Redirect the bare address to the page."""
    # Relative to the host, whatever that may be called outside (RFC 9110, 10.2.2).
    return Response(status=302, headers={"Location": "/docs/"}, mimetype="text/plain")


@bp.get("/docs")
@bp.get("/docs/")
def page() -> Response:
    """Show the API, and let it be tried."""
    return page_response(_OURS / "index.html", _POLICY)


@bp.get("/openapi.json")
def description() -> Response:
    """Answer the OpenAPI document; made once for each application."""
    return cached(Response(_DOCUMENT.get(), mimetype="application/json"))


def _add_file(path: Path) -> None:
    name = path.name
    bp.add_url_rule(
        f"/docs/{name}", f"file_{name.replace('.', '_')}", lambda: file_response(path)
    )


for _name in _FILES:
    _add_file(_OURS / _name)
for _name in _SWAGGER_FILES:
    _add_file(_swagger_directory() / _name)
