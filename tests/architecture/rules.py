"""Each rule reads source files and yields what breaks it. Nothing is imported, so a broken file can be judged too."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.architecture.audit import unaudited_routes
from tests.architecture.imports import disallowed_imports
from tests.architecture.words import banned_in_use

ROOTS: Final = ("services", "shared", "deploy")

REQUIRED_ROOMS: Final = frozenset(
    {"__init__", "__main__", "main", "settings", "api", "schemas", "service", "repository", "models", "domain"}
    | {"consumer", "migrations"}
)
OPTIONAL_ROOMS: Final = frozenset(
    {"worker", "channels", "commands", "content", "journeys", "shelf", "templates", "static"}
)
PLAIN_FOLDERS: Final = frozenset({"migrations", "journeys", "shelf", "templates", "static"})  # read, never imported

# Of these the last two are within a process: what one record, or one file, brings about ends there, with that record or
# that import (docs/decisions/0024, 0036).
PROCESS_EDGES: Final = frozenset(
    {
        "shared/service/process.py",
        "shared/http/internal_errors.py",
        "deploy/local/cli.py",
        "shared/kafka/dead_letters/isolation.py",
        "services/ingest/worker.py",
    }
)
TABLE_MARKS: Final = ("RECORD", "PROJECTION")


@dataclass(frozen=True, order=True, slots=True)
class Violation:
    """One place that breaks a rule, and what to do about it."""

    path: str
    line: int
    rule: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.advice}"


def violations(root: Path) -> list[Violation]:
    """Everything under `root` that breaks a rule, by path and line."""
    found = [*_rooms(root), *_packages(root), *_namesakes(root)]
    found += [Violation(path, line, "audit", advice) for path, line, advice in unaudited_routes(root)]
    found += [Violation(path, line, "words", advice) for path, line, advice in banned_in_use(root)]
    for path in _sources(root):
        found += _violations_in(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    return sorted(found)


@cache  # the tests judge many copies that differ by one file
def _violations_in(name: str, source: str) -> tuple[Violation, ...]:
    tree = _parsed(name, source)
    imports = (Violation(name, line, rule, advice) for line, rule, advice in disallowed_imports(name, tree))
    return (*imports, *_broad_excepts(name, tree), *_unmarked_tables(name, tree))


@cache
def _parsed(name: str, source: str) -> ast.Module:
    return ast.parse(source, filename=name)


def _sources(root: Path) -> Iterator[Path]:
    for name in ROOTS:
        yield from sorted((root / name).rglob("*.py"))


# The same rooms in every service


def _rooms(root: Path) -> Iterator[Violation]:
    for entry in _entries(root / "services"):
        if entry.is_dir():
            yield from _rooms_of(root, entry)
        elif entry.name != "__init__.py":
            yield _room(root, entry, "services/ holds one folder per service and nothing else: move it into one")


def _rooms_of(root: Path, service: Path) -> Iterator[Violation]:
    wanted = REQUIRED_ROOMS
    entries = _entries(service)
    rooms = [entry.name if entry.is_dir() else entry.name.removesuffix(".py") for entry in entries]
    for entry, room in zip(entries, rooms, strict=True):
        if room not in wanted | OPTIONAL_ROOMS:
            known = ", ".join(sorted(wanted | OPTIONAL_ROOMS))
            yield _room(root, entry, f"there is no such room; move this into one of {known}")
        elif room in PLAIN_FOLDERS and not entry.is_dir():
            yield _room(root, entry, f"make {room} a folder")
        elif rooms.count(room) > 1:
            yield _room(root, entry, f"{room} is both a module and a package; keep one")
    for room in sorted(wanted.difference(rooms)):
        where = service / (room if room in PLAIN_FOLDERS else f"{room}.py")
        yield _room(root, where, "every service has this room; add it")


def _room(root: Path, path: Path, advice: str) -> Violation:
    return Violation(path.relative_to(root).as_posix(), 1, "rooms", advice)


def _entries(folder: Path) -> list[Path]:
    """What stands in a folder, but caches, and folders that hold nothing else."""
    return sorted(entry for entry in folder.iterdir() if entry.name != "__pycache__" and _holds_something(entry))


def _holds_something(entry: Path) -> bool:
    return entry.is_file() or any(path.is_file() and "__pycache__" not in path.parts for path in entry.rglob("*"))


def _packages(root: Path) -> Iterator[Violation]:
    for folder in sorted({path.parent for path in _sources(root)}):
        name = folder.relative_to(root).as_posix()
        plain = name.startswith("services/") and PLAIN_FOLDERS.intersection(folder.relative_to(root).parts)
        if not plain and not (folder / "__init__.py").exists():
            yield Violation(
                f"{name}/__init__.py", 1, "packages", "add this file: import-linter does not see its folder"
            )


# Within a service a name means one thing: two structs of one name are mistaken for each other where one is read


def _namesakes(root: Path) -> Iterator[Violation]:
    first: dict[tuple[str, str], str] = {}
    for path in sorted((root / "services").rglob("*.py")):
        name = path.relative_to(root).as_posix()
        service, room = name.split("/")[1], name.split("/")[2].removesuffix(".py") if name.count("/") > 1 else ""
        if room in {"models", "migrations"}:  # a table is named after what it holds
            continue
        for node in _parsed(name, path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
                continue
            other = first.setdefault((service, node.name), name)
            if other != name:
                yield Violation(name, node.lineno, "namesakes", f"{other} has a {node.name}, too: rename one of them")


# Errors are caught by what they mean


def _broad_excepts(name: str, tree: ast.Module) -> Iterator[Violation]:
    if name in PROCESS_EDGES:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node):
            edges = " and ".join(sorted(PROCESS_EDGES))
            yield Violation(
                name, node.lineno, "broad-except", f"name the errors that can come; only {edges} catch everything"
            )


def _is_broad(handler: ast.ExceptHandler) -> bool:
    """`except Exception` is; a bare one or a BaseException is unless it ends with `raise`: that is cleaning up."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {node.id if isinstance(node, ast.Name) else "" for node in caught if node is not None}
    if "Exception" in names:
        return True
    last = handler.body[-1]
    raises_on = isinstance(last, ast.Raise) and last.exc is None
    return (handler.type is None or "BaseException" in names) and not raises_on


# Every table says whether a rebuild may empty it


def _unmarked_tables(name: str, tree: ast.Module) -> Iterator[Violation]:
    service, _, rest = name.removeprefix("services/").partition("/")
    if not name.startswith(f"services/{service}/") or rest.removesuffix(".py").split("/")[0] != "models":
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and _is_table(node):
            words = (ast.get_docstring(node) or "").replace(":", " ").split()
            if words[:1] not in ([mark] for mark in TABLE_MARKS):
                yield Violation(
                    *(name, node.lineno, "table-mark"),
                    f"begin the docstring of {node.name} with RECORD: (cannot be recomputed) or PROJECTION: "
                    "(a rebuild empties and refills it)",
                )


def _is_table(node: ast.ClassDef) -> bool:
    names = [target for statement in node.body if isinstance(statement, ast.Assign) for target in statement.targets]
    names += [statement.target for statement in node.body if isinstance(statement, ast.AnnAssign)]
    return any(isinstance(target, ast.Name) and target.id == "__tablename__" for target in names)
