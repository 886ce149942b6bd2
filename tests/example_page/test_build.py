"""The example page is built for a service, with few packages and strict types."""

import json
from pathlib import Path

from tests.deploy import programs
from tests.example_page.served import EXAMPLE, Vite, copied
from tests.node import Node


def test_it_is_built_for_the_service_that_is_named(vite: Node, tmp_path: Path) -> None:
    folder = copied(tmp_path, vite.modules)
    service = "https://users.example.com"
    with Vite(folder, programs.path("npm"), "run", "build", service=service) as build:
        assert build.ended() == 0, build.log
    built = (folder / "dist/index.html").read_text("utf-8")
    assert f"connect-src 'self' {service};" in built
    assert "unsafe" not in built
    assert "<style" not in built


def test_a_wrong_type_is_no_page(vite: Node, tmp_path: Path) -> None:
    folder = copied(tmp_path, vite.modules)
    with (folder / "src/main.ts").open("a", encoding="utf-8") as file:
        file.write("const number: number = session.me;\n")
    with Vite(folder, programs.path("npm"), "run", "build", service="") as build:
        assert build.ended() != 0
    assert "src/main.ts" in build.log
    assert not (folder / "dist").exists()


def test_it_needs_a_compiler_and_a_bundler_alone() -> None:
    package = json.loads((EXAMPLE / "package.json").read_text("utf-8"))
    assert set(package["devDependencies"]) == {"typescript", "vite"}
    assert "dependencies" not in package
