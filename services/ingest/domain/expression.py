"""JMESPath expressions (https://jmespath.org): where in a payload something is found."""

import re
from collections.abc import Callable
from typing import Any, Final

import jmespath

from services.ingest.domain.errors import BadDefinition, BadEvent, Reason

MAX_EXPRESSION: Final = 500  # characters

Finder = Callable[[Any], Any]

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def finder(at: str, expression: str) -> Finder:
    """A function that finds what an expression names, None where there is nothing.

    Raises `BadDefinition`, naming `at`; the function raises `BadEvent` where the expression can't be applied.
    """
    if len(expression) > MAX_EXPRESSION:
        raise BadDefinition(f"{at}: {len(expression)} characters; at most {MAX_EXPRESSION}")
    if _NAME.fullmatch(expression):  # so it is with nearly every column of a file
        return lambda said: said.get(expression) if isinstance(said, dict) else None
    try:
        compiled = jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        raise BadDefinition(f"{at}: {expression!r} is no JMESPath expression: {error}") from None

    def find(said: Any) -> Any:
        try:
            return compiled.search(said)
        except jmespath.exceptions.JMESPathError as error:
            text = f"{at}: {error}; change the source's mapping, or send what it expects"
            raise BadEvent(Reason.MAPPING, text) from None

    return find
