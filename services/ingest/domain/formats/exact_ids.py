"""Ids in rows of files: exact, or refused. Spreadsheets and data frames turn ids into numbers, and lose digits."""

import re
from typing import Any, Final

from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values.exact import CODES, is_id, not_whole, whole
from services.ingest.domain.values.number import is_shortened

_TOP: Final = ("userId", "anonymousId", "previousId", "groupId", "messageId")
_PARTS: Final = ("properties", "traits")
_WITH_POINT: Final = re.compile(r"\d+\.0+")  # an id that was a double's, in a file of texts
_ERRORS: Final = re.compile(r"#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!)|#{2,}")


def exact(message: dict[str, Any]) -> dict[str, Any]:
    """Returns a message whose ids are what they were before a program kept them as doubles: 1001.0 is 1001.

    Raises `BadEvent` for an id that has lost digits, or that is a spreadsheet's formula or error.
    """
    found = {name: _exact(message[name], name) if name in _TOP else message[name] for name in message}
    for name in _PARTS:
        if isinstance(message.get(name), dict):
            found[name] = _within(message[name], name)
    context = message.get("context")
    if isinstance(context, dict) and isinstance(context.get("traits"), dict):
        found["context"] = {**context, "traits": _within(context["traits"], "context.traits")}
    return found


def _within(value: Any, at: str) -> Any:
    if isinstance(value, list):
        return [_within(one, f"{at}[{n}]") if isinstance(one, dict | list) else one for n, one in enumerate(value)]
    return {name: _member(one, name, f"{at}.{name}") for name, one in value.items()}


def _member(value: Any, name: str, at: str) -> Any:
    if isinstance(value, dict | list):
        return _within(value, at)
    return _exact(value, at) if isinstance(value, str | float) and is_id(name) else value


def _exact(value: Any, at: str) -> Any:
    if isinstance(value, float):
        return _of_double(value, at)
    if isinstance(value, str) and (problem := _problem(value.strip(), at)):
        raise BadEvent(Reason.IDENTITY if at in _TOP else Reason.MALFORMED, f"{at}: {value.strip()!r} {problem}")
    return value


def _of_double(value: float, at: str) -> int:
    found = whole(value)
    if found is None:
        raise BadEvent(Reason.IDENTITY if at in _TOP else Reason.MALFORMED, f"{at}: {not_whole(value)}")
    return found


def _problem(text: str, at: str) -> str:
    if is_shortened(text):
        return "was shortened by a spreadsheet, which lost its digits; export its column as text"
    if text.startswith('="'):
        return "is a spreadsheet's formula; export its column as text"
    if _ERRORS.fullmatch(text):
        return "is a spreadsheet's error; mend its cell"
    if _WITH_POINT.fullmatch(text) and at.rsplit(".", 1)[-1].lower() not in CODES:
        return "is a whole number that was kept as a double; write its column as whole numbers or text"
    return ""
