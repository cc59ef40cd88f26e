"""The clock, as something that is passed in. Only a composition root makes one."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Returns the present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock, moved by a constant offset (zero outside tests and drills)."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    def now(self) -> datetime:
        """Returns the present moment, aware, in UTC."""
        return datetime.now(UTC) + self.offset


def wall_milliseconds() -> int:
    """Returns the machine's own clock in milliseconds since the epoch, to compare with what the Kafka client notes."""
    return int(datetime.now(UTC).timestamp() * 1000)
