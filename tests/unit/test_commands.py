"""Command lines: what they take is told without settings, and those of the local stack find the running one's."""

import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import environment
from deploy.local.lock import HomeLock
from deploy.local.process import StackError
from deploy.local.settings import CHECKOUT, SERVICES
from tests.support.command_lines import commands_of

BARE = {"PATH": os.environ["PATH"]}
PEM = "-----BEGIN PUBLIC KEY-----\nMCow'BQ\n-----END PUBLIC KEY-----\n"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """The home of a stack that runs."""
    lock = HomeLock(tmp_path)
    lock.acquire()
    yield tmp_path
    lock.release()


@pytest.mark.parametrize("service", SERVICES)
def test_every_command_of_a_service_says_what_it_takes_without_settings(service: str) -> None:
    for name, command in commands_of(service).items():
        with pytest.raises(SystemExit) as ended:
            command.parser().parse_args(["--help"])
        assert ended.value.code == 0, name


def test_help_and_wrong_usage_of_a_process_need_no_settings() -> None:
    helped, wrong = (
        subprocess.run(
            [sys.executable, "-m", "services.ingest", "import", *arguments],
            env=BARE,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        for arguments in (["--help"], ["--klingon"])
    )
    assert (helped.returncode, "--preset" in helped.stdout) == (0, True), helped.stderr
    assert wrong.returncode == 2
    assert "DATABASE_URL" not in wrong.stderr


def test_a_python_without_the_libraries_says_which_one_has_them() -> None:
    program = f"""
import runpy, sys
sys.path.insert(0, {str(CHECKOUT)!r})
runpy.run_module("services.ingest", run_name="__main__")
"""
    command = [sys.executable, "-I", "-S", "-c", program]
    ended = subprocess.run(command, env=BARE, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "has no module" in ended.stderr
    assert ".venv/bin/python -m services.ingest" in ended.stderr


def test_settings_of_the_running_stack_are_read_as_they_were_written(home: Path) -> None:
    written = {
        "AUTH_PUBLIC_KEY": PEM,
        "MAIL_FROM": "Shop <a@b.example>",
        "EMPTY": "",
        "SIGNS": "a#b $HOME `id` \\n \"'=",
    }
    environment.write(home, {"ingest": written})
    assert environment.read(home, "ingest") == written


def test_a_shell_reads_them_too(home: Path) -> None:
    environment.write(home, {"ingest": {"AUTH_PUBLIC_KEY": PEM}})
    script = f'set -a; . {home}/env/ingest; printf %s. "$AUTH_PUBLIC_KEY"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == PEM + "."


def test_they_are_for_their_owner_only_and_go_when_the_stack_does(home: Path) -> None:
    environment.write(home, {"ingest": {"DATABASE_URL": "secret"}})
    assert stat.S_IMODE((home / "env").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "env" / "ingest").stat().st_mode) == 0o600
    environment.remove(home)
    assert not (home / "env").exists()
    with pytest.raises(StackError, match="still starting"):
        environment.read(home, "ingest")


def test_what_a_killed_stack_left_behind_is_not_believed(tmp_path: Path) -> None:
    environment.write(tmp_path, {"ingest": {"DATABASE_URL": "postgresql://gone"}})
    with pytest.raises(StackError, match="the stack does not run; start it in another window with: make run"):
        environment.read(tmp_path, "ingest")


def test_a_command_on_a_stack_that_does_not_run_is_told_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.local", "do", "ingest", "source", "list"]
    env = {**BARE, "RAPPORT_HOME": str(tmp_path)}
    ended = subprocess.run(command, env=env, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "rapport: the stack does not run; start it in another window with: make run\n"


def test_a_lock_says_whether_it_is_held(tmp_path: Path) -> None:
    mine, others = HomeLock(tmp_path), HomeLock(tmp_path)
    mine.acquire()
    with pytest.raises(StackError, match="already running"):
        others.acquire()
    assert (mine.held, others.held) == (True, False)
    mine.release()
    with (tmp_path / "stack.pid").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
