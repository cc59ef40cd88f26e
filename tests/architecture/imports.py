"""Rooms whose imports are a list of what is allowed, which import-linter's contracts can't be."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# Pure means: the same answer whatever the time, the machine or the order of tasks.
IMPURE: Final = (
    *("asyncio", "concurrent", "http.client", "logging", "multiprocessing", "os", "pathlib", "random", "secrets"),
    *("shutil", "smtplib", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib.request"),
)
STANDARD: Final = frozenset(sys.stdlib_module_names)


@dataclass(frozen=True, slots=True)
class AllowList:
    """What the files that match `where` may import; `{service}` stands for its first group."""

    rule: str
    where: re.Pattern[str]
    allowed: tuple[str, ...]
    advice: str
    standard: bool = True  # may it import the standard library?
    pure: bool = False  # …without what IMPURE names?
    only_of: tuple[str, ...] = ()  # judge nothing but the imports of these libraries

    def service(self, path: str) -> str | None:
        """Whose file it is, if this list is about it."""
        match = self.where.fullmatch(path)
        return match and (match.group(1) if match.groups() else "")

    def allows(self, name: str, service: str) -> bool:
        """Whether a dotted name may be imported."""
        if self.only_of and not any(_within(name, library) for library in self.only_of):
            return True
        if any(_within(name, allowed.format(service=service)) for allowed in self.allowed):
            return True
        impure = self.pure and any(_within(name, module) for module in IMPURE)
        return self.standard and name.partition(".")[0] in STANDARD and not impure


ALLOW_LISTS: Final = (
    AllowList(
        rule="domain-imports",
        where=re.compile(r"services/(\w+)/domain(?:\.py|/.+\.py)"),
        # Tables, grammars and compilers (docs/decisions/0007-pure-libraries-in-domain.md).
        allowed=(
            *("msgspec", "phonenumbers", "email_validator", "idna", "ua_parser", "jmespath", "jsonschema_rs"),
            *("shared.contracts", "shared.calendars", "shared.errors", "services.{service}.domain"),
        ),
        pure=True,
        advice="domain is pure: standard library without I/O, clock and chance, pure libraries, shared.contracts, "
        "shared.calendars and shared.errors; pass {name}'s answer in, or call it in service",
    ),
    AllowList(
        rule="contracts-imports",
        where=re.compile(r"shared/contracts/.+\.py"),
        # uuid5 is a hash; tables and a grammar (docs/decisions/0007-pure-libraries-in-domain.md)
        allowed=(
            *("msgspec", "uuid_utils.UUID", "uuid_utils.uuid5", "phonenumbers", "email_validator"),
            "shared.contracts",
        ),
        pure=True,
        advice="domain imports the contracts, so they are as pure as it is; move what needs {name} elsewhere in shared",
    ),
    AllowList(
        rule="calendars-imports",
        where=re.compile(r"shared/calendars/.+\.py"),
        allowed=("msgspec", "shared.calendars", "shared.contracts", "shared.errors"),
        pure=True,
        advice="domain imports the calendars, so they are as pure as it is; move what needs {name} elsewhere in shared",
    ),
    AllowList(
        rule="migrations-imports",
        where=re.compile(r"services/(\w+)/migrations/.+\.py"),
        allowed=("alembic", "sqlalchemy", "shared.database.migrate", "services.{service}.models"),
        advice="a migration never changes, so it must not depend on code that does; write out what it needs of {name}",
    ),
    AllowList(
        rule="worker-sql",
        where=re.compile(r"services/(\w+)/worker(?:\.py|/.+\.py)"),
        allowed=("sqlalchemy.exc",),
        only_of=("sqlalchemy",),
        advice="a worker may name sqlalchemy's exceptions only; put the statement that needs {name} into repository",
    ),
    AllowList(
        rule="deploy-http",
        where=re.compile(r"deploy/(?!local/).+\.py"),
        allowed=(),
        only_of=("fastapi", "starlette"),
        advice="only the local stack serves pages; move this into deploy/local",
    ),
)


def disallowed_imports(path: str, tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """(line, rule, what to do) of each import that the file's room does not allow, those in functions included."""
    for listed in ALLOW_LISTS:
        service = listed.service(path)
        if service is None:
            continue
        for line, name in _imports(tree):
            if not listed.allows(name, service):
                yield line, listed.rule, listed.advice.format(name=name)


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each import's line and full name: `from shared import outbox` is `shared.outbox`. A relative one
    begins with a dot.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")
