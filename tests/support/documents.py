"""The commands that README.md and docs tell their readers to type."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from deploy.local.settings import CHECKOUT, Ports
from deploy.local.stack import Stack

PAGES: Final = (CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md")))
README_HEADING: Final = "## Sending events"
DEADLINE_SECONDS: Final = 120.0

_BLOCK: Final = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_OURS: Final = re.compile(
    r"(make|curl|python -m (services|deploy)\S*|\.venv/bin/python|dlq|source|send-cutoff|audit verify|identity"
    r"|resume|rebuild|import|serve) "
)
_INLINE: Final = re.compile(r"(?<!`)`([^`]+)`(?!`)")


class Told(NamedTuple):
    """A command line, and where it stands."""

    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.text.split())[:100]}"


def blocks(page: Path) -> list[str]:
    """The shell scripts of a page."""
    return [body for _, language, body in _BLOCK.findall(page.read_text()) if language in ("sh", "bash", "shell")]


def command_lines(page: Path) -> Iterator[Told]:
    """Each command line of a page: those of its scripts, and those in its text that begin like one of ours."""
    name = page.relative_to(CHECKOUT).as_posix()
    for block in blocks(page):
        joined = block.replace("\\\n", " ")
        for line in _whole_lines(joined):
            if line and not line.startswith("#"):
                yield Told(name, line)
    for text in _INLINE.findall(_BLOCK.sub("", page.read_text())):
        if _OURS.match(text):
            yield Told(name, " ".join(text.split()))


def _whole_lines(script: str) -> Iterator[str]:
    """Lines of a script, those joined that an open quote joins."""
    line = ""
    for part in script.splitlines():
        line = f"{line}\n{part}" if line else part
        if line.count("'") % 2 == 0:
            yield line.strip()
            line = ""


async def run_readme(stack: Stack, folder: Path) -> str:
    """Runs what the README says about sending events; what was printed."""
    return await run_section(stack, folder, (CHECKOUT / "README.md").read_text(), README_HEADING)


async def run_section(stack: Stack, folder: Path, page: str, heading: str) -> str:
    """Runs the commands of a section, as they stand, in an empty folder made like a checkout; what was printed.

    Only the ports and the home differ from what a reader has.
    """
    section = page[page.index(heading) :]
    section = section[: section.index("\n## ", 1)]
    scripts = [body for _, language, body in _BLOCK.findall(section) if language == "sh"]
    assert scripts
    (folder / ".rapport").symlink_to(stack.home)
    (folder / "Makefile").symlink_to(CHECKOUT / "Makefile")
    (folder / "deploy").symlink_to(CHECKOUT / "deploy")
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o700)
    script = 'set -eu\nmake() { command make -o ready "$@"; }\n' + "\n".join(scripts)
    for name, _ in Ports.variables():
        script = re.sub(rf"\b{getattr(Ports(), name)}\b", str(stack.ports.of(name)), script)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", script),
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "RAPPORT_HOME": str(stack.home),
            "PYTHONPATH": str(CHECKOUT),
            "HOME": str(folder),
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        output, _ = await process.communicate()
    printed = output.decode()
    assert process.returncode == 0, printed
    return printed
