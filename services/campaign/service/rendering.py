"""A template filled in for a customer: strictly to send it, leniently to see what it would say and what is missing."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from liquid import BoundTemplate, Environment, FalsyStrictUndefined, Undefined
from liquid.exceptions import LiquidError, UndefinedError

from services.campaign.content import InvalidContent, Rendered, environments, nil_for_empty, one_line
from services.campaign.domain.journey.problems import Problem, nearest
from services.campaign.domain.template.document import Template, needed

# What a template may use, beside `event`, `customer` and `coupon`, which hold more; each is a text.
VARIABLES: Final = (
    "first_name",
    "tier",
    "stage",
    "unsubscribe",
    "unsubscribe_url",
    "preferences_url",
    "event",
    "customer",
    "coupon",
)
CUSTOMER: Final = ("first_name", "name", "language", "country", "email")
Values = Mapping[str, Any]

# A customer without a value gets no mail with a hole in it; an `if` and a `default` may ask whether there is one.
_STRICT: Final = environments(FalsyStrictUndefined)
_LENIENT: Final = environments(Undefined)
_ODD: Final = (RecursionError, ValueError, ArithmeticError, TypeError)  # what the library lets odd texts and values do


class FilledIn(msgspec.Struct, frozen=True):
    """A template filled in as far as it goes, and the fields that this customer lacks."""

    rendered: Rendered
    language: str
    missing: Sequence[str]


def render(name: str, template: Template, language: str, channel: str, values: Values) -> tuple[str, Rendered]:
    """Returns the language that the customer gets, and the template filled in. Raises `InvalidContent`."""
    chosen = template.language_of(language, channel)
    try:
        return chosen, _filled(template, chosen, channel, values, _STRICT)
    except LiquidError as error:
        raise InvalidContent(f"template {name}: {_reason(error)}") from error
    except _ODD as error:
        raise InvalidContent(f"template {name}: {error}") from error


def show(name: str, template: Template, language: str, channel: str, values: Values) -> FilledIn:
    """Returns the template as far as it can be filled in, and what is missing. Raises `InvalidContent`."""
    chosen = template.language_of(language, channel)
    try:
        rendered = _filled(template, chosen, channel, values, _LENIENT)
    except LiquidError as error:
        raise InvalidContent(f"template {name}: {_reason(error)}") from error
    except _ODD as error:
        raise InvalidContent(f"template {name}: {error}") from error
    return FilledIn(rendered, chosen, sorted(_missing(template, chosen, channel, values)))


def problems(template: Template) -> Sequence[Problem]:
    """Returns what is wrong with the Liquid of a template, and names that nothing stands for as warnings."""
    found: list[Problem] = []
    for language, parts in template.languages.items():
        for part, text in parts.given().items():
            found += _of_part(f"/languages/{language}/{part}", part, text)
    return found


def _filled(
    template: Template, language: str, channel: str, values: Values, environments: Mapping[str, Environment]
) -> Rendered:
    parts = template.languages[language].given()
    known = nil_for_empty(values)
    made = {part: _parsed(environments[part], parts[part]).render(**known) for part in needed(channel) if part in parts}
    return Rendered(
        one_line(made.get("subject", "")), made.get("text", ""), made.get("html", ""), made.get("sms", "").strip()
    )


@lru_cache(maxsize=2_048)
def _parsed(environment: Environment, text: str) -> BoundTemplate:
    """A text is parsed once: one that is published never changes."""
    return environment.from_string(text)


def _of_part(at: str, part: str, text: str) -> Iterator[Problem]:
    try:
        parsed = _LENIENT[part].from_string(text)
        parsed.render({**dict.fromkeys(VARIABLES, ""), "event": {}, "customer": {}, "coupon": {}})
    except LiquidError as error:
        yield Problem(at, _reason(error), line=_line(error, text))
        return
    except _ODD as error:
        yield Problem(at, f"can't be filled in: {error}")
        return
    if part == "subject" and "\n" in text.strip():
        yield Problem(at, "has more than one line: they are joined to one", warning=True, line=2)
    for name, places in parsed.analyze().globals.items():
        line = text.count("\n", 0, places[0].span.index) + 1
        if name not in VARIABLES:
            known = f"there is no variable {name}{nearest(name, VARIABLES)}; there are {', '.join(VARIABLES)}"
            yield Problem(at, known, warning=True, line=line)
        elif name == "customer":
            for place in places:
                trait = place.segments[1] if len(place.segments) > 1 else ""
                if isinstance(trait, str) and trait and trait not in CUSTOMER:
                    message = f"a customer has no {trait}{nearest(trait, CUSTOMER)}; there are {', '.join(CUSTOMER)}"
                    line = text.count("\n", 0, place.span.index) + 1
                    yield Problem(at, message, warning=True, line=line)


def _missing(template: Template, language: str, channel: str, values: Values) -> set[str]:
    """The fields that the template names and that are not there, or empty. What an `if` leaves out is among them."""
    found: set[str] = set()
    for part, text in template.languages[language].given().items():
        if part in needed(channel):
            for places in _parsed(_LENIENT[part], text).analyze().globals.values():
                found |= {str(one) for one in places if not _there(one.segments, values)}
    return found


def _there(path: Sequence[Any], values: Any) -> bool:
    for step in path:
        if isinstance(values, Mapping) and step in values:
            values = values[step]
        elif isinstance(values, Sequence) and not isinstance(values, str) and isinstance(step, int):
            if not -len(values) <= step < len(values):
                return False
            values = values[step]
        else:
            return False
    return values not in ("", None)


def _reason(error: LiquidError) -> str:
    reason = error.message if isinstance(error.message, str) else str(error)
    return f"{reason} (not known of this customer)" if isinstance(error, UndefinedError) else reason.splitlines()[0]


def _line(error: LiquidError, text: str) -> int:
    context = error.context()
    if context is not None:
        return context[0]
    return text.count("\n") + 1  # it was found at the end
