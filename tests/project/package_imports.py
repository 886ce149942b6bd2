"""Imports between the files and packages of careers_users, read from their source."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "careers_users"


class Import(NamedTuple):
    """An import of one module by another, with the names that are taken from it."""

    importer: str
    imported: str


@cache
def files() -> tuple[Path, ...]:
    """Return the files of the package."""
    return tuple(sorted(PACKAGE.rglob("*.py")))


def name_of(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def package_of(module: str) -> str:
    """Return the part of careers_users that a module belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@cache
def imported_by(path: Path) -> tuple[str, ...]:
    """Return the modules that a file imports; of the package, by their whole names."""
    return tuple(_imported_by(path, {name_of(each) for each in files()}))


def _imported_by(path: Path, known: set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for alias in node.names:
                full = f"{module}.{alias.name}"
                yield full if full in known else module


def imports() -> set[Import]:
    """Return the imports between files of the package."""
    return {
        Import(name_of(path), module)
        for path in files()
        for module in imported_by(path)
        if module.partition(".")[0] == PACKAGE.name
    }


def share_inside() -> float:
    """Return how many of the imports stay inside their package, from 0 to 1."""
    found = imports()
    inside = [each for each in found if package_of(each[0]) == package_of(each[1])]
    return len(inside) / len(found)


def cycle(edges: set[Import]) -> list[str]:
    """Return the modules of an import cycle, or nothing if there is none."""
    targets: dict[str, list[str]] = {}
    for importer, imported in sorted(edges):
        targets.setdefault(importer, []).append(imported)
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in targets.get(module, []):
            if found := visit(target, [*path, module]):
                return found
        done.add(module)
        return []

    for module in sorted(targets):
        if found := visit(module, []):
            return found
    return []
