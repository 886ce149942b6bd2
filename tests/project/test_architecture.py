"""The house rules of docs/architecture.md, held by a walk over the syntax trees."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from careers_users.http.decorators import operation_of
from careers_users.validation.limits import BASE_PATH

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "careers_users"
FEATURES = "audit auth password sessions profile follow activity account demo".split()
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 40

# Python's and the database's, and a name of ours that no test could move.
OTHER_CLOCKS = re.compile(
    r"(datetime|date|func)\.(utcnow|now|today)\(|time\.(time|time_ns|localtime)\("
    r"|\bnow\(\)|current_(time|date)|localtimestamp|careers_users\.clock import",
    re.IGNORECASE,
)

# From top to bottom; a module imports from lower rows only. The same rows stand in
# docs/architecture.md.
ROWS = [
    "commands",
    "__init__",
    "groups",
    "startup server",
    "supervisor",
    "worker",
    "connections loop queueing",
    "docs routes cli health jwks keys_cli metrics request_log transfer_cli users_cli",
    "checks identity intake meters openapi",
    "accounts imports",
    "service",
    "directory",
    "queries",
    "grams tokens throttle",
    "json_schema openapi_errors records schemas",
    "people",
    "cursor fields passwords",
    "http terminal",
    "errors",
    "models replica schema_version",
    "troubles",
    "bulk database",
    "extensions",
    "signing",
    "key_file",
    "keyring",
    "security_log settings",
    "cors logs setting_kinds statements",
    "blocklist clock descriptors device draining handover kept lanes limits memory "
    "names notices overload prepared rates request_context secret_file "
    "shares text",
]


def sources() -> list[Path]:
    """All Python files of the repository."""
    places = "careers_users migrations tests benchmarks deploy docs".split()
    files = [path for place in places for path in (ROOT / place).rglob("*.py")]
    return sorted([*files, ROOT / "config.py", ROOT / "wsgi.py"])


def modules() -> list[Path]:
    """The files of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """The dotted name of a module of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def row_of(module: str) -> int:
    """The row of a module, 0 at the top."""
    last = "__init__" if module == "careers_users" else module.rpartition(".")[2]
    rows = [number for number, row in enumerate(ROWS) if last in row.split()]
    assert rows, f"{module} stands in no row"
    return rows[0]


def feature_of(module: str) -> int | None:
    """The number of the feature that a module belongs to."""
    part = module.split(".")[1] if "." in module else ""
    return FEATURES.index(part) if part in FEATURES else None


def imports(path: Path) -> Iterator[str]:
    """The names that a file imports; of the package, the modules."""
    known = {name_of(module) for module in modules()}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for alias in node.names:
                full = f"{module}.{alias.name}"
                yield full if full in known else module


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_come_from_lower_rows(path: Path) -> None:
    module = name_of(path)
    if path.name == "__init__.py" and path.parent != PACKAGE:
        assert list(imports(path)) == [], "a feature's __init__ is a docstring only"
        return
    for imported in imports(path):
        if not imported.startswith("careers_users"):
            assert imported not in ("config", "wsgi", "tests")
            continue
        mine, theirs = feature_of(module), feature_of(imported)
        if None not in (mine, theirs) and mine != theirs:
            assert mine > theirs, f"{module} imports {imported}"  # type: ignore[operator]
            if row_of(module) == row_of(imported):
                continue  # The same kind of module of an earlier feature.
        assert row_of(module) < row_of(imported), f"{module} imports {imported}"


def test_every_row_has_its_modules() -> None:
    last_names = {name_of(path).rpartition(".")[2] for path in modules()}
    for name in " ".join(ROWS).split():
        assert name in last_names | {"__init__"}, name


def test_the_document_shows_the_same_rows() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    shown = re.findall(r"^\| \d+ \| (.+?) \|", text, re.MULTILINE)
    assert [row.replace("`", "").replace(",", "") for row in shown] == ROWS


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_modules_keep_to_their_business(path: Path) -> None:
    name, text = path.stem, path.read_text("utf-8")
    if name == "schemas":
        assert not [module for module in imports(path) if "models" in module]
    if name in ("service", "queries", "accounts", "imports"):
        assert not re.search(r"from flask import.*\brequest\b", text), "no HTTP here"
    if name not in ("service", "queries", "tokens", "accounts", "imports"):
        assert "db.session" not in text
    if name != "clock":
        assert not OTHER_CLOCKS.search(text), "clock.utcnow() is the one source of time"
    assert ".commit(" not in text, "a use case is one `with db.session.begin()`"
    assert ".query." not in text, "statements are select(...)"
    assert name not in ("utils", "helpers", "common", "manager", "handler")


def test_no_column_takes_its_time_from_the_database() -> None:
    for path in (ROOT / "migrations").rglob("*.py"):
        assert not OTHER_CLOCKS.search(path.read_text("utf-8")), path


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_stand_at_the_top(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            inner = [
                child
                for child in ast.walk(node)
                if isinstance(child, (ast.Import, ast.ImportFrom))
            ]
            assert not inner, f"{node.name} imports"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_what_is_public_is_documented(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), "a module says what it is for"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            assert node.name.startswith("_") or ast.get_docstring(node), node.name


@pytest.mark.parametrize("path", sources(), ids=str)
def test_sizes(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= FILE_LINES_MAX
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, f"{node.name}: {length} lines"


def test_the_packages_listed_are_those_of_the_tree() -> None:
    text = (ROOT / "setup.cfg").read_text("utf-8")
    block = text.partition("packages =\n")[2].partition("package_dir")[0]
    found = {name_of(path.parent / "x").rpartition(".")[0] for path in modules()}
    assert set(block.split()) == found | {
        "careers_users.migrations",
        "careers_users.migrations.versions",
    }


def test_every_view_describes_itself(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(BASE_PATH):
            continue
        view = app.view_functions[rule.endpoint]
        operation = operation_of(view)
        assert view.__doc__, rule.endpoint
        assert operation.reply is not None, rule.endpoint
        assert rule.rule.endswith("/"), "the slash is canonical"
        if "DELETE" not in (rule.methods or set()):  # It may have one.
            # What PUT makes here is named by its path alone.
            takes_body = bool({"POST", "PATCH"} & (rule.methods or set()))
            assert (operation.body is not None) == takes_body, rule.endpoint
