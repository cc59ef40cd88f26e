"""`python -m tests.weight [VENV]`: what a fresh `make run` downloads, and what its `.venv` takes; exit 1 above a limit.

Downloads are added up from `uv.lock`, without the network: the wheels for CPython 3.11 on Linux, x86-64. uv itself,
which comes by pip, is not among them.
"""

import os
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from packaging.markers import Marker, default_environment
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename
from rich.console import Console
from rich.table import Table

CHECKOUT: Final = Path(__file__).resolve().parents[1]
PROJECT: Final = "rapport"
GROUPS: Final = ("local",)  # uv's default groups
MEGABYTE: Final = 1_000_000
MEBIBYTE: Final = 1 << 20
DOWNLOAD_MEGABYTES: Final = 80
ENVIRONMENT_MEBIBYTES: Final = 260
BLOCK_BYTES: Final = 512  # of st_blocks

PYTHON: Final = (3, 11)
PLATFORMS: Final = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(39, 4, -1)),
    *("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"),
)
TAGS: Final[Sequence[Tag]] = (
    *cpython_tags(PYTHON, platforms=PLATFORMS),
    *compatible_tags(PYTHON, interpreter="cp311", platforms=PLATFORMS),
)
MARKERS: Final = {
    **{name: str(value) for name, value in default_environment().items()},
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.2",
    "python_version": "3.11",
    "sys_platform": "linux",
}


def downloads(lock: Mapping[str, Any], groups: Sequence[str] = GROUPS) -> dict[str, int]:
    """Returns the bytes of the wheel, or else the source archive, of each package that is installed, by its name."""
    packages = {package["name"]: package for package in lock["package"]}
    wanted: set[tuple[str, str]] = set()
    project = packages[PROJECT]
    found = [*project["dependencies"]]
    for group in groups:
        found += project["dev-dependencies"][group]
    while found:
        dependency = found.pop()
        if "marker" in dependency and not Marker(dependency["marker"]).evaluate(MARKERS):
            continue
        package = packages[dependency["name"]]
        for extra in ("", *dependency.get("extra", ())):
            if (package["name"], extra) not in wanted:
                wanted.add((package["name"], extra))
                found += package["optional-dependencies"][extra] if extra else package.get("dependencies", ())
    return {name: _size(packages[name]) for name, extra in wanted if not extra}


def _size(package: Mapping[str, Any]) -> int:
    wheels = {wheel["url"].rsplit("/", 1)[1]: wheel["size"] for wheel in package.get("wheels", ())}
    order = {tag: place for place, tag in enumerate(TAGS)}
    fitting = {
        min(order[tag] for tag in fits): size
        for name, size in wheels.items()
        if (fits := parse_wheel_filename(name)[3] & order.keys())
    }
    return int(fitting[min(fitting)] if fitting else package["sdist"]["size"])


def taken(folder: Path) -> int:
    """Returns the bytes on disk of everything in a folder."""
    return sum(path.lstat().st_blocks * BLOCK_BYTES for path in _everything(folder))


def _everything(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(parent, name)


def locked() -> Mapping[str, Any]:
    """Returns the lock file of this checkout."""
    return tomllib.loads((CHECKOUT / "uv.lock").read_text())


def main(arguments: Sequence[str]) -> int:
    rows = [("downloaded", sum(downloads(locked()).values()) / MEGABYTE, DOWNLOAD_MEGABYTES, "MB")]
    rows += [(folder, taken(Path(folder)) / MEBIBYTE, ENVIRONMENT_MEBIBYTES, "MiB") for folder in arguments]
    table = Table("", "weight", "limit")
    for name, weight, limit, unit in rows:
        table.add_row(name, f"{weight:.1f} {unit}", f"{limit} {unit}", style="red" if weight > limit else "")
    Console().print(table)
    return int(any(weight > limit for _, weight, limit, _ in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
