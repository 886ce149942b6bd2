"""The rules of docs/architecture.md, held by a walk over the syntax trees."""

import ast
import re
import subprocess
from pathlib import Path

from flask import Flask

from careers_users.http.decorators import operation_of
from careers_users.validation.limits import BASE_PATH
from tests.project import border_crossings, package_imports, words
from tests.project.package_imports import (
    PACKAGE,
    ROOT,
    files,
    imported_by,
    name_of,
    package_of,
)

FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 40
NAMES_MAX = 20
SHARE_INSIDE_MIN = 0.28

# A package imports from the rows below its own; on a row, from those after it. These
# rows stand in docs/architecture.md too.
ROWS = (
    "__main__",
    "__init__",
    "cli",
    "follow profile account auth post_events",
    "observability",
    "http jobs mail",
    "database",
    "models keys settings validation extensions",
    "server clock",
)
# Features use each other in these directions only.
FEATURES: dict[str, set[str]] = {
    "follow": {"profile", "auth"},
    "profile": {"auth"},
    "account": {"auth"},
    "auth": set(),
    "post_events": set(),
}
# Packages that others use through their __init__, or the submodules it lists.
INTERFACES = ("server", "settings", "keys", "database")
# Inside a feature; every other file of it stands beside queries or service.
ROOMS = ("routes", "service", "queries", "schemas")

# The page of links and its files are no calls.
IS_PAGE = re.compile(r"link_page\.").match
# Python's and the database's, and a name of ours that no test could move.
OTHER_CLOCKS = re.compile(
    r"(datetime|date|func)\.(utcnow|now|today)\(|time\.(time|time_ns|localtime)\("
    r"|\bnow\(\)|current_(time|date)|localtimestamp|careers_users\.clock import",
    re.IGNORECASE,
)


def order_of(module: str) -> int:
    """Return the place of a module's package in ROWS, counted from the top."""
    package = package_of(module)
    names = " ".join(ROWS).split()
    assert package in names, f"{package} stands in no row"
    return names.index(package)


def room_of(module: str) -> int:
    """Return the room of a feature's file; what has no room's name is a queries."""
    last = module.rpartition(".")[2]
    last = "routes" if last.endswith("_routes") else last
    return ROOMS.index(last) if last in ROOMS else ROOMS.index("queries")


def test_imports_run_down() -> None:
    for path in files():
        module = name_of(path)
        for imported in imported_by(path):
            if imported.partition(".")[0] != "careers_users":
                assert imported not in ("config", "wsgi", "tests")
                continue
            mine, theirs = package_of(module), package_of(imported)
            if mine == theirs:
                continue
            assert order_of(module) < order_of(imported), f"{module} imports {imported}"
            if {mine, theirs} <= FEATURES.keys():
                assert theirs in FEATURES[mine], f"{mine} imports {theirs}"


def test_the_server_stands_alone() -> None:
    for path in files():
        if package_of(name_of(path)) == "server":
            theirs = {
                package_of(each) for each in imported_by(path) if "careers_" in each
            }
            assert theirs <= {"server", "clock"}


def test_inside_a_feature_imports_run_from_routes_to_schemas() -> None:
    for path in files():
        module = name_of(path)
        for imported in imported_by(path):
            if package_of(module) in FEATURES and package_of(imported) == package_of(
                module
            ):
                assert imported.rpartition(".")[2] != "routes", "nothing imports routes"
                if module.endswith((".schemas", ".queries")):
                    assert room_of(module) <= room_of(imported), imported


def test_no_import_closes_a_cycle() -> None:
    assert package_imports.cycle(package_imports.imports()) == []


def test_public_interfaces_are_used() -> None:
    for path in files():
        module = name_of(path)
        for imported in imported_by(path):
            theirs = package_of(imported)
            if theirs not in INTERFACES or theirs == package_of(module):
                continue
            public = (PACKAGE / theirs / "__init__.py").read_text("utf-8")
            last = imported.rpartition(".")[2]
            assert last == theirs or f'"{last}"' in public, (
                f"{module} imports {imported}"
            )


def test_the_share_of_imports_inside_their_package() -> None:
    assert package_imports.share_inside() >= SHARE_INSIDE_MIN


def test_a_request_seldom_crosses_from_package_to_package(tmp_path: Path) -> None:
    found = border_crossings.measured(border_crossings.fresh_app(tmp_path))
    numbers = {name: between.total() for name, between in found.items()}
    limits = border_crossings.LIMITS
    assert {name: n for name, n in numbers.items() if n > limits[name]} == {}


def test_the_package_can_be_seen_at_a_glance() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "careers_users"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.split("/")[1] for line in listed.stdout.splitlines()}
    assert len(names) <= NAMES_MAX, sorted(names)


def test_every_row_has_its_packages() -> None:
    packages = {package_of(name_of(path)) for path in files()}
    assert set(" ".join(ROWS).split()) == packages


def test_the_document_shows_the_same_rows() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    shown = re.findall(r"^\| \d+ \| (.+?) \|", text, re.MULTILINE)
    assert tuple(row.replace("`", "").replace(",", "") for row in shown) == ROWS


def test_modules_keep_to_their_business() -> None:
    for path in files():
        name, text = path.stem, path.read_text("utf-8")
        package = package_of(name_of(path))
        if name == "schemas":
            assert not [module for module in imported_by(path) if "models" in module], (
                path
            )
        if package in FEATURES and not name.endswith("routes"):
            own = ("identity", "device", "intake", "jwks")
            if name not in own:
                assert not re.search(r"from flask import.*\brequest\b", text), "no HTTP"
        if name.endswith("routes") or package in ("http", "validation", "server"):
            assert "db.session" not in text, path
        if name != "clock":
            assert not OTHER_CLOCKS.search(text), (
                "clock.utcnow() is the one source of time"
            )
        assert ".commit(" not in text, "a use case is one `with db.session.begin()`"
        assert ".query." not in text, "statements are select(...)"
        assert name not in ("utils", "helpers", "common", "manager", "handler")


def test_no_column_takes_its_time_from_the_database() -> None:
    for path in (ROOT / "migrations").rglob("*.py"):
        assert not OTHER_CLOCKS.search(path.read_text("utf-8")), path


def test_imports_stand_at_the_top() -> None:
    for path in files():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                inner = [
                    child
                    for child in ast.walk(node)
                    if isinstance(child, (ast.Import, ast.ImportFrom))
                ]
                assert not inner, f"{node.name} imports"


def test_public_names_are_documented() -> None:
    for path in files():
        tree = ast.parse(path.read_text("utf-8"))
        assert ast.get_docstring(tree), "a module says what it is for"
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                assert node.name.startswith("_") or ast.get_docstring(node), node.name


def test_sizes() -> None:
    for path in words.sources():
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= FILE_LINES_MAX, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= FUNCTION_LINES_MAX, f"{node.name}: {length} lines"


def test_contributing_says_the_same_sizes() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert f"at most {FILE_LINES_MAX} lines" in text
    assert f"at most {FUNCTION_LINES_MAX}" in text


def test_the_packages_listed_are_those_of_the_tree() -> None:
    text = (ROOT / "setup.cfg").read_text("utf-8")
    block = text.partition("packages =\n")[2].partition("package_dir")[0]
    found = {name_of(path.parent / "x").rpartition(".")[0] for path in files()}
    assert set(block.split()) == found | {
        "careers_users.migrations",
        "careers_users.migrations.versions",
    }


def test_every_view_describes_itself(app_with_mail: Flask) -> None:
    app = app_with_mail
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(BASE_PATH) or IS_PAGE(rule.endpoint):
            continue
        view = app.view_functions[rule.endpoint]
        operation = operation_of(view)
        assert view.__doc__, rule.endpoint
        assert operation.reply is not None, rule.endpoint
        assert rule.rule.endswith("/"), "the slash is canonical"
        if "DELETE" not in (rule.methods or set()):  # It may have one.
            # The path alone names the result of a PUT, or it needs no body.
            takes_body = bool({"POST", "PATCH"} & (rule.methods or set()))
            has_body = operation.body is not None and operation.is_body_required
            assert has_body == takes_body, rule.endpoint
