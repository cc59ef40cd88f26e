"""The commands of `make run`, `stop`, `reset`, `logs` and `do`."""

import argparse
import asyncio
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from deploy.local import environment
from deploy.local.lock import running_pid
from deploy.local.placement import remove_data
from deploy.local.process import StackError, open_log
from deploy.local.settings import SERVICES, Settings

if TYPE_CHECKING:
    from deploy.local.stack import Stack

STOP_DEADLINE_SECONDS = 90.0
STOP_POLL_SECONDS = 0.1
LOG_LINES = 40
PLAIN_WIDTH = 120  # characters of a line in a file or a pipe
# What a reset deletes; the bootstrap and the jars' class path are no data.
DATA = (
    "mail",
    "demo",
    "kafka-data",
    "env",
    "logs",
    "auth-key.pem",
    "admin-token",
    "write-key",
    "partition-secret",
    "stack.pid",
)

FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; its exit code. Whatever fails is told in one line on stderr."""
    options = parser().parse_args(arguments)
    try:
        settings = Settings.from_env()
    except StackError as error:
        return _failed(str(error))
    try:
        _carry_out(options, settings)
    except StackError as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - the process's edge
        log = settings.home / "logs" / "stack.log"
        with suppress(OSError), open_log(log) as file:
            file.truncate(0)
            file.write(traceback.format_exc().encode())
        return _failed(f"{type(error).__name__}: {error} (log: {log})")
    return 0


def _carry_out(options: argparse.Namespace, settings: Settings) -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # where Chinese can't be shown, the rest is
    # Like a plain print where nobody watches: no colours, no cut lines.
    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    console = Console(soft_wrap=True, highlight=False, width=width)
    if options.command == "run":
        asyncio.run(_run(settings, console, options))
    elif options.command == "stop":
        _stop(settings, console)
    elif options.command == "reset":
        _reset(settings, console, confirmed=options.yes)
    elif options.command == "do":
        _do(settings, options.service, options.arguments)
    else:
        _logs(settings, options.service)


def _failed(message: str) -> int:
    print(f"rapport: {' '.join(message.split())}", file=sys.stderr)
    return FAILED


def parser() -> argparse.ArgumentParser:
    """What `python -m deploy.local` takes."""
    made = argparse.ArgumentParser(prog="rapport", description="Rapport on this machine")
    commands = made.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="start everything and show the demo")
    run.add_argument("--slice", type=_positive, metavar="N", help="use N orders only, those that show most first")
    run.add_argument("--exit", action="store_true", help="stop when the demo has ended")
    run.add_argument("--no-demo", action="store_true", help="start everything, send nothing")
    commands.add_parser("stop", help="stop a running stack")
    reset = commands.add_parser("reset", help="delete all data of the stack")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    logs = commands.add_parser("logs", help="follow the logs")
    logs.add_argument("service", nargs="?", help="a service, postgres, broker or mail; all if absent")
    do = commands.add_parser("do", help="run a command of a service with the settings of the running stack")
    do.add_argument("service", choices=SERVICES, metavar="SERVICE", help=", ".join(SERVICES))
    do.add_argument("arguments", nargs=argparse.REMAINDER, metavar="COMMAND …", help="such as: import --help")
    return made


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


async def _run(settings: Settings, console: Console, options: argparse.Namespace) -> None:
    from deploy.local.stack import Stack  # what starts a stack takes a second to import, and `make do` does without

    stop, force = asyncio.Event(), asyncio.Event()

    def interrupted() -> None:
        (force if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)

    started = time.monotonic()

    def report(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:5.1f} s[/dim]  {line}")

    stack = Stack(settings.home, settings.ports, broker=settings.broker, report=report)
    drain = False
    try:
        with console.status("Starting"):
            interrupted_early = await _first_of(stop.wait(), stack.start()) == 0
        if not interrupted_early:
            drain = await _serve(stack, console, options, stop)
    finally:
        with console.status("Stopping; once more to stop at once"):
            if await _first_of(force.wait(), stack.stop(drain=drain)) == 0:
                await stack.kill()
        console.print("Stopped")


async def _serve(stack: "Stack", console: Console, options: argparse.Namespace, stop: asyncio.Event) -> bool:
    """Show the demo and stay up until told to stop. Returning means that all was well, so drain."""
    if not options.no_demo:
        from deploy.demo import NotShown, run_demo

        demo = run_demo(stack, options.slice, console)
        try:
            if await _first_of(stop.wait(), stack.watch(), demo) == 0:
                return True
        except NotShown as error:
            if options.exit:
                raise
            console.print()
            _failed(f"{error}; the stack stays up, and make reset begins anew")
    if not options.exit:
        _show_addresses(stack, console)
        await _first_of(stop.wait(), stack.watch())
    return True


def _show_addresses(stack: "Stack", console: Console) -> None:
    console.print("\n[bold]Rapport is running.[/bold] Ctrl-C stops it.\n")
    for name in SERVICES:
        console.print(f"  {name:<9} {stack.url(name)}/docs")
    console.print(f"  {'mail':<9} {stack.url('mail')}")
    console.print(f"\n  Tokens, logs and data: {stack.home}\n")


async def _first_of(*jobs: Coroutine[Any, Any, Any]) -> int:
    """The place of the first job to end; the others are cancelled, and its failure is raised."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for place, task in enumerate(tasks):
            if task.done():
                task.result()
                return place
        raise AssertionError("wait returned without a finished task")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _stop(settings: Settings, console: Console) -> None:
    pid = running_pid(settings.home)
    if pid is None:
        console.print("Nothing is running")
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_DEADLINE_SECONDS
    with console.status(f"Waiting for the stack (pid {pid}) to drain and stop"):
        while running_pid(settings.home) == pid:
            if time.monotonic() > deadline:
                raise StackError(f"the stack (pid {pid}) has not stopped within {STOP_DEADLINE_SECONDS:.0f} s")
            time.sleep(STOP_POLL_SECONDS)
    console.print("Stopped")


def _reset(settings: Settings, console: Console, *, confirmed: bool) -> None:
    home = settings.home
    if running_pid(home) is not None:
        raise StackError("the stack is running; stop it first with: make stop")
    if not confirmed:
        if not sys.stdin.isatty():
            raise StackError("a reset deletes all data; confirm it with: make reset ARGS=--yes")
        if console.input(f"Delete all data in {home}? [y/N] ").strip().lower() not in ("y", "yes"):
            console.print("Nothing was deleted")
            return
    remove_data(home)
    for name in DATA:
        _delete(home / name)
    console.print(f"Deleted the data in {home}")


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _do(settings: Settings, service: str, arguments: Sequence[str]) -> None:
    """Become the service's command. What the stack has set wins over the user's own environment."""
    helps = not arguments or not {"-h", "--help"}.isdisjoint(arguments)
    variables = {} if helps else environment.read(settings.home, service)
    command = [sys.executable, "-m", f"services.{service}", *(arguments or ["--help"])]
    os.execve(command[0], command, {**os.environ, **variables})  # noqa: S606


def _logs(settings: Settings, name: str | None) -> None:
    folder = settings.home / "logs"
    logs = sorted(folder.glob(f"{name or '*'}.log"))
    if not logs:
        known = ", ".join(sorted(log.stem for log in folder.glob("*.log"))) or "none yet"
        raise StackError(f"there is no log {name or ''} in {folder}; there are: {known}")
    os.execvp("tail", ["tail", "-n", str(LOG_LINES), "-F", *map(str, logs)])  # noqa: S606
