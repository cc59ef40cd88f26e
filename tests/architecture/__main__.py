"""`python -m tests.architecture`: prints each violation in the folder it runs in; exit status 1 if there is one."""

import sys
from pathlib import Path

from tests.architecture.rules import violations

found = violations(Path.cwd())
for violation in found:
    print(violation)
print(f"Architecture: {len(found)} violations." if found else "Architecture: kept.")
sys.exit(bool(found))
