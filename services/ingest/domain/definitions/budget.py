"""What reading one payload by a definition may cost: an operator writes the expressions, a stranger the payload.

Without a bound, an expression of 500 characters could double its result with every few of them.
"""

from typing import Any, Final

from services.ingest.domain.errors import BadEvent, Reason

MAX_STEPS: Final = 500_000  # nodes of expressions visited for one payload; about a second of one core
EVENT_STEPS: Final = 2_000  # for one event of a request, and
EVENT_STEPS_A_BYTE: Final = 4  # of its properties
MAX_SIZE: Final = 8_000_000  # characters of what one payload makes: a few times the largest payload
SIZE_OF_A_STEP: Final = 64  # characters that a function reads or writes in the time of one step
SCALAR_SIZE: Final = 8  # characters, of a number and the like


class Budget:
    """The steps and the characters that are left for one payload. Its methods raise `BadEvent` once none are left.

    Sizes are those of the values written out. The size of a value that was seen before is known, so that finding all
    sizes costs no more than reading each value once.
    """

    def __init__(self, *, steps: int = MAX_STEPS, size: int = MAX_SIZE) -> None:
        self._steps = steps
        self._size = size
        # By identity; the value is kept, so that its identity is not used again.
        self._known: dict[int, tuple[Any, int]] = {}

    @classmethod
    def of_event(cls, properties: bytes) -> "Budget":
        """Returns the budget of one of the many events of a request."""
        return cls(steps=EVENT_STEPS + EVENT_STEPS_A_BYTE * len(properties))

    def step(self, steps: int = 1) -> None:
        """Takes steps off."""
        self._steps -= steps
        if self._steps < 0:
            raise BadEvent(Reason.MAPPING, "mapping: needs too many steps for this payload; simplify its expressions")

    def spend(self, value: Any) -> None:
        """Takes off the characters that a value adds to the result."""
        self._size -= self.size(value)
        if self._size < 0:
            raise _too_much()

    def work(self, value: Any) -> None:
        """Takes off the steps of a function that reads the whole of a value."""
        self.step(1 + self.size(value) // SIZE_OF_A_STEP)

    def size(self, value: Any) -> int:
        """Returns how many characters a value has, written out. Raises `BadEvent` if they are too many, or if
        JSON has no such value.
        """
        if isinstance(value, str):
            return 2 + len(value)
        if not isinstance(value, dict | list):
            if value is not None and not isinstance(value, int | float):
                raise BadEvent(Reason.MAPPING, "mapping: an expression finds no value; change it")
            return SCALAR_SIZE
        waiting: list[tuple[Any, bool]] = [(value, False)]
        while waiting:
            one, measured = waiting.pop()
            if id(one) in self._known:
                continue
            parts = _parts(one)
            if measured:
                self._remember(one, parts)
            else:
                waiting.append((one, True))
                waiting.extend((part, False) for part in parts if isinstance(part, dict | list))
        return self._known[id(value)][1]

    def _remember(self, one: Any, parts: list[Any]) -> None:
        self.step(len(parts) // SIZE_OF_A_STEP)
        size = 2 + sum(self.size(part) + 1 for part in parts)
        if size > MAX_SIZE:
            raise _too_much()
        self._known[id(one)] = one, size


def _parts(value: Any) -> list[Any]:
    return [*value, *value.values()] if isinstance(value, dict) else value


def _too_much() -> BadEvent:
    return BadEvent(Reason.TOO_LARGE, f"mapping: makes more than {MAX_SIZE} characters; select less of the payload")
