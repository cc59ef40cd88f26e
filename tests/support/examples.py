"""How many examples a law is tried on."""

import os
from typing import Final

EXAMPLES: Final = int(os.environ.get("RAPPORT_TEST_EXAMPLES", "100"))


def at_least(usual: int) -> int:
    """Returns `usual`, or as many as `make test-long` asks of every law, if that is more."""
    return max(usual, EXAMPLES) if "RAPPORT_TEST_EXAMPLES" in os.environ else usual
