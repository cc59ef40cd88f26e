"""Words that mean too much or nothing, and stand in no name and no docstring: `banned_words.txt` says what to write.

Names are those that the code gives: of modules, functions, classes, parameters, variables and attributes. Migrations
are out of scope: what stands in a database, or ran once, keeps its words.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

LISTS: Final = "tests/architecture"
_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAME_IN_PROSE: Final = re.compile(r"`([^`\s]+)`")
_WORD_IN_PROSE: Final = re.compile(r"\w+")

_Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Banned:
    """A word, or several joined by underscores, and what to write.

    In lower case it is banned whatever its case, in docstrings too. With a capital it is a type's name: banned as a
    word of names in camel case, and of names that a docstring quotes; `sorted` is no `Sorted`.
    """

    word: str
    instead: str

    @property
    def is_type(self) -> bool:
        """Whether only names in camel case are meant."""
        return self.word[0].isupper()

    def is_in(self, parts: _Parts) -> bool:
        """Whether the word is among these parts of a name, as `parts_of` yields them."""
        parts = parts if self.is_type else tuple(part.lower() for part in parts)
        word = tuple(self.word.split("_"))
        return any(parts[at : at + len(word)] == word for at in range(len(parts)))


def banned_in_use(root: Path) -> Iterator[tuple[str, int, str]]:
    """Yields path, line and advice of each banned word under `root`, and of each exception that is not needed any more.

    The lists are those of `root`, too. An exception is a line of `banned_words_to_come.txt`: a word, and the file or
    folder that still has it.
    """
    words = {banned.word: banned for banned in read_words(root / LISTS / "banned_words.txt")}
    exceptions = {(words[word], place): False for word, place in read_pairs(root / LISTS / "banned_words_to_come.txt")}
    for name, line, banned, where in _found(root, tuple(words.values())):
        pardons = [key for key in exceptions if key[0] == banned and _is_within(name, key[1])]
        exceptions |= dict.fromkeys(pardons, True)
        if not pardons:
            yield name, line, f"`{banned.word}` in {where}: write {banned.instead}"
    for (banned, place), needed in exceptions.items():
        if not needed:
            yield place, 1, f"`{banned.word}` is gone from here: take its line out of {LISTS}/banned_words_to_come.txt"


def read_words(path: Path) -> list[Banned]:
    """Returns the banned words of a file, by line `word: what to write`."""
    return [Banned(word, instead) for word, instead in read_pairs(path)]


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Returns the two halves of each line of a file, around its first colon; without comments and empty lines."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    halves = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return [(word.strip(), rest.strip()) for word, _, rest in halves]


def parts_of(name: str) -> _Parts:
    """Returns the words of a name, split at underscores and at capitals."""
    return tuple(_PART.findall(name))


def _found(root: Path, words: tuple[Banned, ...]) -> Iterator[tuple[str, int, Banned, str]]:
    for top in ("services", "shared", "deploy"):
        for path in sorted((root / top).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if "migrations" not in path.parts:
                yield from ((name, *found) for found in _found_in(name, path.read_text(encoding="utf-8"), words))


@cache  # the tests judge many copies that differ by one file
def _found_in(name: str, source: str, words: tuple[Banned, ...]) -> tuple[tuple[int, Banned, str], ...]:
    tree = ast.parse(source, filename=name)
    given = {(1, Path(name).stem), *(named for node in ast.walk(tree) for named in _names(node))}
    places = [(line, one, parts_of(one)) for line, one in sorted(given)]
    found = [(line, banned, one) for line, one, parts in places for banned in words if banned.is_in(parts)]
    for line, text in _docstrings(tree):
        where = f"a docstring: {text.splitlines()[0]}"
        found += [(line, banned, where) for banned in words if _is_in_prose(banned, text)]
    return tuple(found)


def _names(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yields line and text of each name that a node gives to something."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.lineno, node.name
        case ast.arg():
            yield node.lineno, node.arg
        case ast.Name(ctx=ast.Store()):
            yield node.lineno, node.id
        case ast.Attribute(ctx=ast.Store()):
            yield node.lineno, node.attr
        case ast.Import() | ast.ImportFrom():
            yield from ((node.lineno, alias.asname) for alias in node.names if alias.asname)
        case ast.ExceptHandler(name=str(given)) | ast.MatchAs(name=str(given)) | ast.MatchStar(name=str(given)):
            yield node.lineno, given
        case ast.MatchMapping(rest=str(given)):
            yield node.lineno, given


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def _is_in_prose(banned: Banned, text: str) -> bool:
    pattern = _NAME_IN_PROSE if banned.is_type else _WORD_IN_PROSE
    return any(banned.is_in(parts_of(word)) for word in pattern.findall(text))


def _is_within(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}/")
