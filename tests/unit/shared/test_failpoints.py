"""A failpoint ends the process when it is armed, and is nothing otherwise."""

import subprocess
import sys
from signal import SIGKILL

import pytest

from shared.service import failpoints

REACHES = """
from shared.service import failpoints
failpoints.arm({spec!r})
for name in ("a.one", "b.two", "b.two", "c.three"):
    print(name, flush=True)
    failpoints.failpoint(name)
"""


def _run(spec: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", REACHES.format(spec=spec)], capture_output=True, text=True, check=False
    )


def test_the_process_dies_where_it_is_armed_and_says_so() -> None:
    ended = _run("b.two")
    assert ended.returncode == -SIGKILL
    assert ended.stdout.split() == ["a.one", "b.two"]
    assert ended.stderr == "failpoint.fired b.two\n"


def test_a_count_waits_for_that_many_times() -> None:
    ended = _run("b.two@2")
    assert ended.returncode == -SIGKILL
    assert ended.stdout.split() == ["a.one", "b.two", "b.two"]


def test_unarmed_and_unreached_it_does_nothing() -> None:
    assert _run("").returncode == 0
    assert _run("b.two@3").returncode == 0


@pytest.mark.parametrize("spec", ["a@0", "a@-1", "a@x"])
def test_a_count_that_is_none_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r"count|invalid literal"):
        failpoints.arm(spec)
