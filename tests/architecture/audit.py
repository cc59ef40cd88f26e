"""Routes that change a definition write an entry into the audit log: found from the routers, and followed in the code.

A route is followed from its handler through the functions of its own service, by name, to a call of `audit.record`.
Nothing is imported. What a handler is handed at run time can't be followed; such a route must be listed, with a reason.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

CHANGING: Final = frozenset({"post", "put", "patch", "delete"})
RECORDS: Final = "shared.audit.record"
_API: Final = re.compile(r"services/\w+/api(?:\.py|/.+\.py)")

# Routes that change no definition, by file and function, and why.
NO_DEFINITIONS: Final[Mapping[str, str]] = {
    "services/ingest/api/tracking.py::_add_routes": "events come in: facts, whose record is the timeline",
    "services/ingest/api/facts.py::_add_typed_routes": "events come in: facts, whose record is the timeline",
    "services/ingest/api/facts.py::take_cloudevents": "events come in: facts, whose record is the timeline",
    "services/ingest/api/facts.py::take_webhook": "events come in: facts, whose record is the timeline",
    "services/ingest/api/sources.py::preview": "tries a mapping, and changes nothing",
    "services/ingest/api/sources.py::infer": "proposes a plan, and changes nothing",
    "services/segment/api/segments.py::preview": "counts customers, and changes nothing",
    "services/segment/api/segments.py::evaluate": "asks of customers, and changes nothing",
    "services/segment/api/programmes.py::simulate": "tries a programme, and changes nothing",
    "services/segment/api/conditions.py::parse": "reads words, and changes nothing",
    "services/segment/api/conditions.py::describe": "writes words, and changes nothing",
    "services/segment/api/tags.py::set_by_hand": "a tag is stated: a fact, whose record is the timeline",
    "services/segment/api/tags.py::clear_by_hand": "a tag is stated: a fact, whose record is the timeline",
    "services/segment/api/dry_run.py::run": "replays what customers did, and changes nothing",
    "services/feedback/api.py::submit": "a customer's answer comes in: a fact, whose record is the timeline",
    "services/campaign/api/journeys.py::dry_run": "nothing is written",
    "services/campaign/api/templates.py::preview": "fills a template in, and changes nothing",
    "services/campaign/api/messages.py::send": "a message is asked for: a record of its own, which names no definition",
    "services/campaign/api/links.py::change_preferences": "a customer states consent: a fact in the timeline",
    "services/campaign/api/inbox.py::read": "a customer read a message: noted with it, and no definition",
    "services/campaign/api/inbox.py::dismiss": "a customer dismissed a message: noted with it, and no definition",
    "services/campaign/api/links.py::confirm": "a customer agrees: a fact, whose record is the timeline",
    "services/campaign/api/links.py::unsubscribe": "a customer withdraws consent: a fact, whose record is the timeline",
}


@dataclass
class _Module:
    """A file's functions and what its names stand for."""

    functions: dict[str, ast.AST] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


def unaudited_routes(root: Path) -> Iterator[tuple[str, int, str]]:
    """(path, line, what to do) of each route that may change a definition and leaves no entry."""
    sources = {path: path.read_text(encoding="utf-8") for path in sorted((root / "services").rglob("*.py"))}
    modules = {_dotted(path, root): _read(source) for path, source in sources.items()}
    listed = set(NO_DEFINITIONS)
    for path, source in sources.items():
        name = path.relative_to(root).as_posix()
        if not _API.fullmatch(name):
            continue
        for line, function in _changing_routes(source):
            if f"{name}::{function}" in NO_DEFINITIONS:
                listed.discard(f"{name}::{function}")
            elif not _records(modules, f"{_dotted(path, root)}.{function}", set()):
                yield (
                    name,
                    line,
                    (
                        f"{function} leaves no entry in the audit log: call audit.record in its use case, or list it "
                        "in tests/architecture/audit.py with the reason why it changes no definition"
                    ),
                )
    for key in sorted(listed):
        file, _, function = key.partition("::")
        if (root / file).exists():
            yield file, 1, f"{function} is listed in tests/architecture/audit.py, and is no such route: take it out"


@cache  # the tests judge many copies that differ by one file
def _changing_routes(source: str) -> tuple[tuple[int, str], ...]:
    """The line and handler of each route that is not read-only; of `add_api_route`, the function that calls it."""
    return tuple(_found_routes(ast.parse(source)))


def _found_routes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and _is_changing(decorator):
                yield decorator.lineno, function.name
        added = [node for node in ast.walk(function) if isinstance(node, ast.Call) and _is_changing(node)]
        if any(_called(node) == "add_api_route" for node in added):
            yield function.lineno, function.name


def _is_changing(call: ast.Call) -> bool:
    verb = _called(call)
    if verb not in ("add_api_route", "api_route"):
        return verb in CHANGING
    methods = next((keyword.value for keyword in call.keywords if keyword.arg == "methods"), None)
    if methods is None:  # GET
        return False
    return any(not isinstance(node, ast.Constant) or str(node.value).lower() in CHANGING for node in _items(methods))


def _items(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, ast.List | ast.Tuple | ast.Set) else [node]


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _records(modules: Mapping[str, _Module], function: str, seen: set[str]) -> bool:
    """Whether a function, or one that it names, calls `audit.record`."""
    if function in seen:
        return False
    seen.add(function)
    module_name, _, name = function.rpartition(".")
    module = modules.get(module_name)
    if module is None or name not in module.functions:
        return False
    called = {_resolved(node, module_name, module) for node in ast.walk(module.functions[name])}
    return RECORDS in called or any(_records(modules, one, seen) for one in sorted(called - {""}))


def _resolved(node: ast.AST, module_name: str, module: _Module) -> str:
    """The full name of what a name, or a name's attribute, stands for; empty for anything else."""
    if isinstance(node, ast.Name):
        return module.names.get(node.id, f"{module_name}.{node.id}" if node.id in module.functions else "")
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in module.names:
        return f"{module.names[node.value.id]}.{node.attr}"
    return ""


@cache  # likewise
def _read(source: str) -> _Module:
    module = _Module()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            module.functions.setdefault(node.name, node)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module.names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return module


def _dotted(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix().removesuffix("/__init__").replace("/", ".")
