"""Pictures as PNG: our own SVG, drawn by a library that brings its font along, in a process beside this one."""

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from shared.errors import AppError, Unavailable

SCALE: Final = 2.0  # pixels of the PNG for one of the SVG: sharp on dense screens and in print
DEADLINE_SECONDS: Final = 10.0
AT_ONCE: Final = 2  # pictures; more wait
FONT: Final = ("noto_cjk_sans_otc", "NotoSansCJK-Regular.ttc")
PROGRAM: Final = Path(__file__).with_name("png_program.py")


class PngUnavailable(AppError):
    """This installation does not draw PNG."""

    status = 501


class PngRenderer:
    """Draws PNG for one event loop.

    A picture takes a tenth of a second or so, for which the library keeps Python's lock: in this process, events would
    wait.
    """

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def png(self, svg: str) -> bytes:
        """Returns a picture as PNG, the same on every machine: fonts of the system are not looked at.

        Raises `PngUnavailable` where the group `charts` is not installed, and `Unavailable` if it takes too long.
        """
        command = [sys.executable, "-I", str(PROGRAM), str(_font()), str(SCALE)]
        async with self._slots:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    made, _ = await process.communicate(svg.encode())
            except TimeoutError:
                raise Unavailable(f"the picture was not drawn within {DEADLINE_SECONDS:g} s") from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode != 0:
            raise RuntimeError(f"{PROGRAM.name} ended with {process.returncode}")
        return made


def _font() -> Path:
    """The font's file. Without it the library would leave out all texts, and raise nothing."""
    package, name = FONT
    spec = find_spec(package)
    found = [Path(folder) / name for folder in (spec and spec.submodule_search_locations) or ()]
    if find_spec("resvg_py") is None or not found or not found[0].is_file():
        raise PngUnavailable(
            "what draws it, and its font with Chinese glyphs, are not installed; get both with: make ready-charts, or: "
            "uv sync --group charts; format=svg needs neither"
        )
    return found[0]
