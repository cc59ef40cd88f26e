"""`python -m tests.architecture.lint_copies FOLDER…`: import-linter on each, as a JSON list of [status, words].

One process for many copies, because starting import-linter takes far longer than its work. A process of its own,
because import-linter finds the code as Python would import it, and the tests have imported the real one.
"""

import contextlib
import importlib
import io
import json
import os
import sys

from importlinter.cli import lint_imports


def lint(folder: str) -> tuple[int, str]:
    """import-linter's exit status and words on the code in a folder."""
    output = io.StringIO()
    kept = list(sys.path)
    os.chdir(folder)
    importlib.invalidate_caches()
    with contextlib.redirect_stdout(output):
        status = lint_imports(no_cache=True, no_logo=True)
    sys.path[:] = kept
    return status, output.getvalue()


if __name__ == "__main__":
    print(json.dumps([lint(folder) for folder in sys.argv[1:]]))
