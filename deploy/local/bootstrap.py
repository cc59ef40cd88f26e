"""Make the virtual environment `.venv` from the lock file: `python3 bootstrap.py [GROUP...]`.

Runs before anything is installed, so: the standard library only. The Makefile has checked the Python.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

UV_VERSION = "0.13.9"
CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = CHECKOUT / ".rapport" / "bootstrap"
ENVIRONMENT = CHECKOUT / ".venv"
# What the processes of `make run` import. The five services start at once: without bytecode, each would compile it all.
STARTED = (
    *(f"services.{name}.main" for name in ("ingest", "profile", "segment", "campaign", "feedback")),
    *("deploy.local.cli", "deploy.local.stack", "deploy.local.mail"),
)


def main(groups: list[str]) -> None:
    require_venv()
    wanted = stamp(groups)
    path = TOOLS / "-".join(["stamp", *groups])
    if path.exists() and path.read_text() == wanted and (ENVIRONMENT / "bin" / "python").exists():
        return
    print("Preparing the environment (once for each change of uv.lock) ...", flush=True)
    uv = install_uv()
    chosen = [part for group in groups for part in ("--group", group)]
    settings = {
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_COMPILE_BYTECODE": "1" if "dev" in groups else "0",  # tests import most of it, in four processes
        "UV_PROJECT_ENVIRONMENT": str(ENVIRONMENT),
    }
    run([str(uv), "sync", "--locked", "--inexact", "--quiet", *chosen], settings)
    if "dev" not in groups:
        compile_started()
    path.write_text(wanted)


def compile_started() -> None:
    """Compile what `make run` imports, and nothing else: of all bytecode it is a third."""
    run([str(ENVIRONMENT / "bin" / "python"), "-c", "import " + ", ".join(STARTED)], {"PYTHONDONTWRITEBYTECODE": ""})


def require_venv() -> None:
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        fail("Python's venv module is missing: apt install python3-venv")


def stamp(groups: list[str]) -> str:
    """What the environment depends on; it knows its own path, so a moved checkout needs a new one."""
    digest = hashlib.sha256()
    for name in ("uv.lock", "pyproject.toml"):
        digest.update((CHECKOUT / name).read_bytes())
    digest.update(repr((UV_VERSION, sys.version, sys.executable, str(CHECKOUT), groups)).encode())
    return digest.hexdigest()


def install_uv() -> Path:
    uv = TOOLS / "bin" / "uv"
    if not uv.exists() or output([str(uv), "--version"]).split()[1:2] != [UV_VERSION]:
        TOOLS.parent.mkdir(parents=True, exist_ok=True)
        run([sys.executable, "-m", "venv", "--clear", str(TOOLS)], {})
        pip = [str(TOOLS / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "uv==" + UV_VERSION], {})
    return uv


def output(command: list[str]) -> str:
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout
    except OSError:
        return ""


def run(command: list[str], settings: dict[str, str]) -> None:
    """Run it, quietly if all goes well."""
    kept = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        command, check=False, cwd=str(CHECKOUT), env={**kept, **settings}, capture_output=True, text=True
    )
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        fail("could not prepare the environment: " + " | ".join(lines)[-1000:])


def fail(message: str) -> NoReturn:
    sys.exit("rapport: " + message)


if __name__ == "__main__":
    main(sys.argv[1:])
