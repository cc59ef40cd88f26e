"""How long and how much a run may try: little for each change, more for `make fuzz`."""

import os
from typing import Final

DOCUMENT_SECONDS: Final = int(os.environ.get("RAPPORT_FUZZ_DOCUMENT_SECONDS", "18"))
"""For each of the five documents."""

BODIES: Final = int(os.environ.get("RAPPORT_FUZZ_BODIES", "1500"))
"""Bodies made by hand, over all routes."""

SEED: Final = int(os.environ.get("RAPPORT_FUZZ_SEED", "1"))
