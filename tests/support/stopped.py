"""A clock that stands still until a test moves it, so that a busy machine's slowness is nothing to it."""

from tests.support.running import eventually


class StoppedClock:
    """Seconds that pass only by `advance`; call it to read it, as one calls `time.monotonic`."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._readings = 0

    def __call__(self) -> float:
        self._readings += 1
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self._seconds += seconds

    async def until_read_again(self) -> None:
        """Returns after whoever goes by this clock has looked at it since."""
        before = self._readings
        await eventually(self._count, lambda readings: readings > before)

    async def _count(self) -> int:
        return self._readings
