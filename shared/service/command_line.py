"""What a service's command line takes, told without any settings: so `--help` and wrong usage need none."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

ROLES: Final = ("api", "consumer", "relay")
OWN: Final = ("services", "shared")  # packages whose absence is a fault of ours, and no missing installation


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a service beside `serve` and `migrate`.

    `parser` knows everything that may stand after the command's name; `run` gets the service's settings and the same
    words, which `parser` has then taken once, and returns the exit status. `former_name` still works, and no help
    speaks of it.
    """

    parser: Callable[[], argparse.ArgumentParser]
    run: Callable[[Any, Sequence[str]], Coroutine[None, None, int]]
    former_name: str = ""


class Chosen(NamedTuple):
    """A command line that can be carried out: the command, the roles of `serve`, and what stands after others."""

    command: str
    roles: Sequence[str]
    rest: Sequence[str]


def parse(service: str, commands: Mapping[str, Command], given: Sequence[str]) -> Chosen:
    """Returns what a command line asks of a service. Ends the process as argparse does: after help, or wrong usage."""
    parser = argparse.ArgumentParser(
        prog=f"python -m services.{service}",
        epilog=f"{', '.join(commands)}: each says more with --help. No --help needs settings.",
    )
    parser.add_argument("command", choices=["serve", "migrate", *commands])
    parser.add_argument("--role", default=",".join(ROLES), help="with serve: api, consumer, relay (several by comma)")
    if given and (current := next((name for name, one in commands.items() if one.former_name == given[0]), None)):
        given = [current, *given[1:]]
    own = 1 if given and given[0] in commands else len(given)
    chosen, rest = parser.parse_args(given[:own]), given[own:]
    roles = chosen.role.split(",")
    if unknown := set(roles) - set(ROLES):
        parser.error(f"--role: {', '.join(sorted(unknown))}; there are {', '.join(ROLES)}")
    if chosen.command in commands:
        commands[chosen.command].parser().parse_args(rest)
    return Chosen(chosen.command, roles, rest)


@contextlib.contextmanager
def missing_packages_explained(service: str) -> Iterator[None]:
    """Ends the process with one line where a library is not installed, as with the system's own Python."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OWN:
            raise
        sys.exit(
            f"rapport: {sys.executable} has no module {error.name}; use the environment that `make ready` makes: "
            f".venv/bin/python -m services.{service}, or make do S={service} ARGS='…'"
        )
