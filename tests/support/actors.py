"""Who changes definitions in tests."""

from typing import Final

from shared.audit import Actor

OPERATOR: Final = Actor("operator", ("test:admin",))
