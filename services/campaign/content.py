"""The journeys and templates that come with the service: read from this package, and refused at start if wrong."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from liquid import BoundTemplate, Environment, StrictUndefined, Undefined
from liquid.exceptions import LiquidError

from services.campaign.domain.channels.registry import CAPABILITIES
from services.campaign.domain.confirmation import CONFIRM
from services.campaign.domain.journey.definition import Journey
from services.campaign.domain.journey.nodes.node import Known
from services.campaign.domain.journey.validation import problems
from services.campaign.domain.template.document import Parts, Template

HERE: Final = Path(__file__).resolve().parent
LANGUAGES: Final = ("en", "zh")
PARTS: Final = ("subject", "text", "html")
ALWAYS_THERE: Final = frozenset({"email", "inbox"})  # channels that need no setting of their own

# What a template may use; each of these must render with nothing in it.
NOTHING_KNOWN: Final[Mapping[str, str]] = {
    "first_name": "",
    "tier": "",
    "stage": "",
    "unsubscribe": "",
    "unsubscribe_url": "",
    "confirm_url": "",
    "purpose": "",
    "hours": "",
    "state": "",
    "preferences": "",
}


class InvalidContent(ValueError):
    """A journey or a template is wrong, or a template can't be filled in."""


class Rendered(msgspec.Struct, frozen=True):
    """A template filled in: what a channel has no part for is empty."""

    subject: str
    text: str
    html: str
    sms: str = ""


class _Limited(Environment):
    """Liquid that can't run away with the process."""

    loop_iteration_limit = 1_000
    output_stream_limit = 256 * 1024  # bytes
    local_namespace_limit = 64 * 1024  # bytes
    block_nesting_limit = 20
    context_depth_limit = 20


# A subject and a plain text are no HTML: escaped there, a name would read "O&#39;Brien".
_ESCAPED: Final[Mapping[str, bool]] = {"subject": False, "text": False, "html": True, "sms": False}


def environments(undefined: type[Undefined]) -> Mapping[str, Environment]:
    """Returns the environment of each part of a template, all with one view of what is undefined."""
    return {part: _Limited(autoescape=escaped, undefined=undefined) for part, escaped in _ESCAPED.items()}


def nil_for_empty(values: Any) -> Any:
    """Returns values with nil where a text is empty: Liquid takes an empty text for true, and writes nil as nothing."""
    if isinstance(values, Mapping):
        return {name: nil_for_empty(value) for name, value in values.items()}
    return None if values == "" else values


def one_line(text: str) -> str:
    """Returns a text as a header may have it: one line, whatever is in a name."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


_ENVIRONMENTS: Final = environments(StrictUndefined)


class Templates:
    """Every template in every language, parsed once. Raises `InvalidContent`, which names the file."""

    def __init__(self, folder: Path = HERE / "templates") -> None:
        self._parsed: dict[tuple[str, str, str], BoundTemplate] = {}
        self.names = frozenset(path.name for path in folder.iterdir() if path.is_dir())
        self.languages = dict.fromkeys(self.names, frozenset(LANGUAGES))
        for name in self.names:
            for language in LANGUAGES:
                for part in PARTS:
                    path = folder / name / f"{language}.{part}.liquid"
                    self._parsed[name, language, part] = _parsed(path, _ENVIRONMENTS[part])

    def render(self, name: str, language: str, values: Mapping[str, str]) -> Rendered:
        """Returns the template with these values, in a language we have or in English. Raises `InvalidContent`."""
        known = language if language in LANGUAGES else LANGUAGES[0]
        try:
            subject, text, html = (self._parsed[name, known, part].render(**nil_for_empty(values)) for part in PARTS)
        except KeyError:
            raise InvalidContent(f"there is no template {name}") from None
        except LiquidError as error:
            raise InvalidContent(f"template {name}: {error}") from error
        return Rendered(one_line(subject), text, html)


def _parsed(path: Path, environment: Environment) -> BoundTemplate:
    try:
        template = environment.from_string(path.read_text(encoding="utf-8"), name=path.name)
        template.render(**NOTHING_KNOWN)
    except (OSError, LiquidError) as error:
        raise InvalidContent(f"template {path.parent.name}/{path.name}: {error}") from error
    return template


def documents(folder: Path = HERE / "templates") -> Mapping[str, Template]:
    """Returns the templates of a folder that a shop may change, by id: what the service itself asks is none of them."""
    return {
        name: Template(
            languages={
                language: Parts(
                    **{part: (folder / name / f"{language}.{part}.liquid").read_text("utf-8") for part in PARTS}
                )
                for language in LANGUAGES
            }
        )
        for name in sorted(templates().names - {CONFIRM.template})
    }


@cache
def templates() -> Templates:
    """Returns the templates of this package."""
    return Templates()


def known(channels: Collection[str] = ALWAYS_THERE) -> Known:
    """Returns what a definition may name where these channels are set up."""
    return Known(templates=templates().languages, channels=frozenset(channels), languages=frozenset(LANGUAGES))


def journeys(folder: Path = HERE / "journeys") -> Sequence[Journey]:
    """Returns the journeys of a folder, by id. Raises `InvalidContent`, which names the file and the place."""
    found: list[Journey] = []
    for path in sorted(folder.glob("*.json")):
        try:
            journey = msgspec.json.decode(path.read_bytes(), type=Journey)
        except msgspec.MsgspecError as error:
            raise InvalidContent(f"journey {path.name}: {error}") from error
        if path.stem != journey.id:
            raise InvalidContent(f"journey {path.name}: its id is {journey.id}")
        for problem in problems(journey, known(CAPABILITIES)):
            raise InvalidContent(f"journey {path.name}: {problem.at}: {problem.message}")
        found.append(journey)
    return found


class Pages:
    """The page that links in mails lead to, in every language. Raises `InvalidContent`, which names the file."""

    def __init__(self, folder: Path = HERE / "static") -> None:
        self._parsed = {
            language: _parsed(folder / f"consent.{language}.html.liquid", _ENVIRONMENTS["html"])
            for language in LANGUAGES
        }
        self._preferences = {
            language: _parsed(folder / f"preferences.{language}.html.liquid", _ENVIRONMENTS["html"])
            for language in LANGUAGES
        }

    def preferences(self, language: str, state: str, preferences: Sequence[Mapping[str, object]]) -> str:
        """Returns the page of preferences in one of its states: shown, saved, full or invalid."""
        known = language if language in LANGUAGES else LANGUAGES[0]
        return self._preferences[known].render(state=state, preferences=preferences)

    def render(self, language: str, state: str, *, purpose: str = "") -> str:
        """Returns the page in one of its states: confirm, confirmed, unsubscribe, unsubscribed or invalid."""
        known = language if language in LANGUAGES else LANGUAGES[0]
        return self._parsed[known].render(state=state, purpose=purpose or None)


@cache
def pages() -> Pages:
    """Returns the pages of this package."""
    return Pages()


class OnShelf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A journey that comes ready, as documents: its definition, and the templates that it needs."""

    id: str
    journey: dict[str, Any]
    templates: dict[str, dict[str, Any]]


@cache
def shelf(folder: Path = HERE / "shelf") -> Sequence[OnShelf]:
    """Returns what stands on the shelf, by id. Raises `InvalidContent`, which names the file."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=OnShelf))
        except msgspec.MsgspecError as error:
            raise InvalidContent(f"shelf {path.name}: {error}") from error
    return found
