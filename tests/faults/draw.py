"""Which of many a short run tries: drawn by a word such as the commit's hash, so that some commits meet them all."""

import os
from collections.abc import Collection
from hashlib import sha256
from typing import Final

ALL: Final = "all"
WORD: Final = os.environ.get("FAULTS_DRAW", ALL)

FAILPOINTS: Final = 6
PLANTED_BUGS: Final = 2
ALONE: Final = 1  # of the files that take a world, or a disk, of their own


def is_short() -> bool:
    """Whether this is a short run, which draws instead of trying all."""
    return WORD != ALL


def draw(names: Collection[str], count: int, *, word: str = WORD) -> list[str]:
    """Returns `count` of the names in their own order, the same for the same word; all of them for `ALL`."""
    if word == ALL:
        return list(names)
    drawn = set(sorted(names, key=lambda name: sha256(f"{word}/{name}".encode()).digest())[:count])
    return [name for name in names if name in drawn]
