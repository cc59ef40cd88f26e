"""`python -m deploy.local run|stop|reset|logs`."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - somebody may run it without make
    sys.exit("rapport: Python 3.11 or newer is needed")

try:
    from deploy.local.cli import main
except ModuleNotFoundError as error:
    sys.exit(f"rapport: the module {error.name} is missing; start with: make run")

if __name__ == "__main__":
    sys.exit(main())
