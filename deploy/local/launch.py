"""Run a command that cannot outlive its supervisor, as another user if asked.

`python launch.py PARENT_PID DEATH_SIGNAL UID GID COMMAND...` (UID and GID are `-` to stay who we are).
A wrapper, and not a `preexec_fn`: that would run Python between fork and exec of a threaded process.
Standard library only: it runs isolated (`-I -S`), before any package is importable by the new user.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
KEEP = "-"
PRIVATE = 0o077  # logs, mails and data are full of customers


def main(arguments: list[str]) -> None:
    parent, death_signal, uid, gid, *command = arguments
    os.umask(PRIVATE)
    libc = ctypes.CDLL(None, use_errno=True)
    if gid != KEEP:
        os.setgroups([])
        os.setgid(int(gid))
    if uid != KEEP:
        os.setuid(int(uid))
    if sys.platform == "linux":
        # After setuid, which clears it.
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the supervisor died while this process was starting")
    try:
        os.execvpe(command[0], command, os.environ)  # noqa: S606 - the command is the supervisor's own
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
