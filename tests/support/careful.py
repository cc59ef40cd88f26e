"""Understanding events with care, also where they are plain."""

from collections.abc import Container

from services.ingest.domain.judge import Normal


class Careful:
    """Wants to see each event as it came, so that none is taken for plain."""

    enough: Container[str] = ()

    def accepted(self, payload: bytes, normal: Normal) -> None:
        """Looks at it, and that is all."""
