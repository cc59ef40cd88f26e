"""Recipes of `docs/`: files to write and lines to add, as they stand on the page."""

import re
from collections.abc import Iterator
from pathlib import Path

_BLOCK = re.compile(r"^`([\w/.]+\.py)`[^\n]*:\n\n```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(page: Path, root: Path) -> list[str]:
    """Does in the tree under `root` what a page says; returns the files that it touched.

    A `python` block is a new file. In a `diff` block a line that begins with `+` goes after the one before it, one with
    `-` goes away, and any other must stand in the file once.
    """
    touched = []
    for name, kind, text in _BLOCK.findall(page.read_text()):
        file = root / name
        if kind == "python":
            assert not file.exists(), f"{name} is there already"
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        else:
            file.write_text(_changed(file.read_text().splitlines(keepends=True), text, name))
        touched.append(name)
    return touched


def python_blocks(page: Path) -> Iterator[str]:
    """Gives each block of Python of a page."""
    for block in re.finditer(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        yield block[1]


def _changed(lines: list[str], change: str, name: str) -> str:
    at = 0
    for line in change.splitlines(keepends=True):
        sign, text = line[0], line[1:]
        if sign == "+":
            lines.insert(at, text)
            at += 1
            continue
        assert lines.count(text) == 1, f"{name} has {text!r} {lines.count(text)} times"
        at = lines.index(text) + (sign == " ")
        if sign == "-":
            del lines[at]
    return "".join(lines)
