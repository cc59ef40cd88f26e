"""`python -m deploy.local run|stop|reset|logs|do`."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - somebody may run it without make
    sys.exit("rapport: Python 3.11 or newer is needed")

try:
    from deploy.local.cli import main
except ModuleNotFoundError as error:
    sys.exit(f"rapport: {sys.executable} has no module {error.name}; use make, or .venv/bin/python")

if __name__ == "__main__":
    sys.exit(main())
