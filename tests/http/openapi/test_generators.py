"""Generators of clients take the document, and what they make compiles, strictly."""

import builtins
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.http.openapi.test_openapi import COMMITTED
from tests.node import Node

SCRIPTS = Path(sys.executable).parent
DOCUMENT = json.loads(COMMITTED.read_text("utf-8"))
# The generator's own mistakes, whatever the document says: how `client.py` passes
# arguments on, and bodies with several media types of which one is a list. The latter
# is for a sister service, which docs/activity.md has a sender for.
GENERATORS_OWN = r"client\.py|api/activity/report_events\.py"
# A client of the types, as a front-end developer writes it. Optional members may be
# left out, and codes are words that an editor can complete.
CLIENT = """\
import type { components, operations } from "./api";

type Register = components["schemas"]["Register"];
type Code = components["schemas"]["ErrorCode"];

const account: Register = {
  username: "alice",
  email: "alice@example.com",
  password: "password123",
  password_confirm: "password123",
};
const everywhere: components["schemas"]["LogoutAll"] = {};
const code: Code = "username_taken";
const search: operations["listUsers"]["parameters"]["query"] = { search: "alice" };
const ids: operations["getRelationships"]["parameters"]["query"] = { ids: [1, 2, 3] };
const change: components["schemas"]["Update"] = { bio: "Hello" };

export function sentence(reply: components["schemas"]["ErrorReply"]): string {
  return typeof reply.details === "string" ? reply.details : reply.error;
}
export { account, everywhere, code, search, ids, change };
"""
# Names that TypeScript's own libraries declare for every program, and that Java, C# and
# Kotlin bring into every file.
_DECLARED = re.compile(
    r"^(?:declare )?(?:interface|var|type|class) (\w+)", re.MULTILINE
)
_OTHER_LANGUAGES = set(
    "Object String Error Exception Event Export Import List Map".split()
)


def components() -> list[str]:
    """Return the names of everything that generators make a type or a function of."""
    return [
        *DOCUMENT["components"]["schemas"],
        *DOCUMENT["components"]["responses"],
    ]


def test_names_collide_with_no_language(node: Node) -> None:
    libraries = (node.modules / "typescript/lib").glob("lib.*.d.ts")
    taken = set(dir(builtins)) | _OTHER_LANGUAGES
    for library in libraries:
        taken |= set(_DECLARED.findall(library.read_text("utf-8")))
    assert len(taken) > 1000

    assert set(components()) & taken == set()
    for name in components():
        assert re.fullmatch(r"[A-Z][A-Za-z]*", name), name


def test_operations_have_names_that_are_pleasant_in_a_program() -> None:
    names = [
        operation["operationId"]
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
    ]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]+){0,2}", name), name
    assert {"updateProfile", "listUsers", "refreshTokens"} <= set(names)


def test_errors_share_one_form() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert [name for name in schemas if "Error" in name] == ["ErrorCode", "ErrorReply"]
    for response in DOCUMENT["components"]["responses"].values():
        content = response["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/ErrorReply"}
        for code in content["examples"]:
            assert code in schemas["ErrorCode"]["enum"]


def test_types_for_typescript_compile(node: Node, tmp_path: Path) -> None:
    made = node.run(tmp_path, "openapi-typescript", str(COMMITTED), "-o", "api.ts")
    assert made.returncode == 0, made.stderr
    (tmp_path / "client.ts").write_text(CLIENT)

    strict = [
        "--strict",
        "--noEmit",
        "--noUnusedLocals",
        "--exactOptionalPropertyTypes",
    ]
    done = node.run(tmp_path, "tsc", *strict, "api.ts", "client.ts")

    assert done.returncode == 0, done.stdout


def test_a_client_for_python_compiles(tmp_path: Path) -> None:
    command = [
        str(SCRIPTS / "openapi-python-client"),
        "generate",
        "--path",
        str(COMMITTED),
        "--meta",
        "none",
    ]
    options = ["--fail-on-warning", "--output-path", "users_client"]
    run(tmp_path, *command, *options)

    run(tmp_path, sys.executable, "-m", "compileall", "-q", "users_client")
    exclude = ["--exclude", rf"users_client/({GENERATORS_OWN})"]
    mypy = ["-m", "mypy", "--strict", "--follow-imports=silent", *exclude]
    run(tmp_path, sys.executable, *mypy, "users_client")

    models = [path.stem for path in (tmp_path / "users_client/models").glob("*.py")]
    assert len(models) < 80
    shared = {"error_reply", "error_code", "error_reply_details_type_0"}
    assert {name for name in models if name.startswith("error")} == shared


def run(folder: Path, *command: str) -> None:
    """Run a command that must succeed."""
    path = os.pathsep.join([str(SCRIPTS), os.environ["PATH"]])  # It calls ruff.
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linter_finds_nothing(node: Node, tmp_path: Path) -> None:
    # The last slash of a path belongs to the contract.
    rules = {"extends": ["recommended"], "rules": {"no-path-trailing-slash": "off"}}
    (tmp_path / "redocly.yaml").write_text(json.dumps(rules))
    shutil.copy(COMMITTED, tmp_path / "openapi.json")

    done = node.run(tmp_path, "redocly", "lint", "--format=json", "openapi.json")

    assert json.loads(done.stdout)["problems"] == [], done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("part", ["license", "contact", "description"])
def test_the_document_says_whose_it_is(part: str) -> None:
    assert DOCUMENT["info"][part]
    assert DOCUMENT["servers"]
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            assert operation["description"].endswith("."), operation["operationId"]
            for parameter in operation.get("parameters", []):
                assert parameter["description"].endswith("."), parameter
