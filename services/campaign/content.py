"""The journeys and templates that come with the service: read from this package, and refused at start if wrong."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from liquid import BoundTemplate, Environment, StrictUndefined
from liquid.exceptions import LiquidError

from services.campaign.domain.channels.registry import CAPABILITIES
from services.campaign.domain.journey.definition import Journey
from services.campaign.domain.journey.nodes.node import Known
from services.campaign.domain.journey.validation import problems

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
}


class InvalidContent(ValueError):
    """A journey or a template of this package is wrong."""


class _Limited(Environment):
    """Liquid that can't run away with the process."""

    loop_iteration_limit = 1_000
    output_stream_limit = 256 * 1024  # bytes
    local_namespace_limit = 64 * 1024  # bytes
    block_nesting_limit = 20
    context_depth_limit = 20


# A subject and a plain text are no HTML: escaped there, a name would read "O&#39;Brien".
_ENVIRONMENTS: Final = {
    "subject": _Limited(autoescape=False, undefined=StrictUndefined),
    "text": _Limited(autoescape=False, undefined=StrictUndefined),
    "html": _Limited(autoescape=True, undefined=StrictUndefined),
}


class Rendered(msgspec.Struct, frozen=True):
    """A template filled in."""

    subject: str
    text: str
    html: str


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
            subject, text, html = (self._parsed[name, known, part].render(**values) for part in PARTS)
        except KeyError:
            raise InvalidContent(f"there is no template {name}") from None
        except LiquidError as error:
            raise InvalidContent(f"template {name}: {error}") from error
        # A header is one line, whatever is in a name.
        return Rendered(" ".join("".join(c if c.isprintable() else " " for c in subject).split()), text, html)


def _parsed(path: Path, environment: Environment) -> BoundTemplate:
    try:
        template = environment.from_string(path.read_text(encoding="utf-8"), name=path.name)
        template.render(**NOTHING_KNOWN)
    except (OSError, LiquidError) as error:
        raise InvalidContent(f"template {path.parent.name}/{path.name}: {error}") from error
    return template


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

    def render(self, language: str, state: str, *, purpose: str = "") -> str:
        """Returns the page in one of its states: confirm, confirmed, unsubscribe, unsubscribed or invalid."""
        known = language if language in LANGUAGES else LANGUAGES[0]
        return self._parsed[known].render(state=state, purpose=purpose)


@cache
def pages() -> Pages:
    """Returns the pages of this package."""
    return Pages()
