"""A template as data: its parts by language, and which language a customer gets."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from services.campaign.domain.channels.registry import CAPABILITIES, EMAIL, SMS
from services.campaign.domain.journey.document import problem_of
from services.campaign.domain.journey.problems import Problem

MAX_LANGUAGES: Final = 50
MAX_SUBJECT: Final = 500  # characters, as those below
MAX_TEXT: Final = 64 * 1024
MAX_HTML: Final = 200 * 1024
MAX_SMS: Final = 1_600
DEFAULT_LANGUAGE: Final = "en"

# What a template is written for; other channels take of these parts what they carry.
NEEDED: Final[Mapping[str, tuple[str, ...]]] = {one.name: one.parts for one in (EMAIL, SMS)}
PARTS: Final = ("subject", "text", "html", "sms")

_TAG: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,5}")
"""The shape of a language tag of BCP 47, without private use; whether its parts are registered is not asked."""


class Parts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is written in one language: Liquid, each."""

    subject: Annotated[str, Meta(max_length=MAX_SUBJECT)] | None = None
    text: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None
    html: Annotated[str, Meta(max_length=MAX_HTML)] | None = None
    sms: Annotated[str, Meta(max_length=MAX_SMS)] | None = None

    def given(self) -> Mapping[str, str]:
        """Returns the parts that are there."""
        return {name: text for name in PARTS if (text := getattr(self, name)) is not None}


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a message says. Whose language is not here gets `default_language`."""

    default_language: str = DEFAULT_LANGUAGE
    languages: Annotated[dict[str, Parts], Meta(max_length=MAX_LANGUAGES)]

    def carries(self, channel: str) -> bool:
        """Returns whether there is a text for this channel, in the default language at least."""
        parts = self.languages.get(self.default_language)
        return parts is not None and _complete(parts, channel)

    def language_of(self, wanted: str, channel: str) -> str:
        """Returns the language that a customer gets: theirs, what is left of it from the right, or the default.

        That is the lookup of RFC 4647, section 3.4. A language without a text for the channel is passed over.
        """
        here = {name.lower(): name for name, parts in self.languages.items() if _complete(parts, channel)}
        subtags = wanted.replace("_", "-").lower().split("-")
        while subtags:
            found = here.get("-".join(subtags))
            if found is not None:
                return found
            subtags.pop()
            while subtags and len(subtags[-1]) == 1:
                subtags.pop()
        return self.default_language


def needed(channel: str) -> tuple[str, ...]:
    """Returns the parts that a message over this channel is made of; none if there is no such channel."""
    return CAPABILITIES[channel].parts if channel in CAPABILITIES else ()


def read(document: Mapping[str, Any]) -> Template | Sequence[Problem]:
    """Returns the template that a document has, or what is wrong with its form."""
    found: list[Problem] = []
    languages = document.get("languages")
    if isinstance(languages, Mapping):
        for name, parts in languages.items():
            try:
                msgspec.convert(parts, Parts)
            except msgspec.ValidationError as error:
                found.append(problem_of(error, _pointer(name)))
    if found:
        return found
    try:
        template = msgspec.convert(document, Template)
    except msgspec.ValidationError as error:
        return [problem_of(error, "")]
    found = list(_of_form(template))
    return found or template


def _of_form(template: Template) -> Iterator[Problem]:
    if not template.languages:
        yield Problem("/languages", "must have one language at least")
    elif template.default_language not in template.languages:
        there = ", ".join(sorted(template.languages))
        yield Problem("/default_language", f"must be one of the template's languages: {there}")
    seen: set[str] = set()
    for language, parts in template.languages.items():
        at = _pointer(language)
        if _TAG.fullmatch(language) is None:
            yield Problem(at, "is no language tag of BCP 47, such as en, zh or zh-Hant")
        if language.lower() in seen:
            yield Problem(at, "stands here twice: tags that differ in capitals alone are one language")
        seen.add(language.lower())
        given = parts.given()
        mail = NEEDED["email"]
        if any(part in given for part in mail):
            missing = [part for part in mail if part not in given]
            for part in missing:
                yield Problem(f"{at}/{part}", "is missing: a mail has subject, text and html")
        elif not given:
            yield Problem(at, "must have subject, text and html, or sms")
    if template.languages and template.default_language in template.languages:
        yield from _of_default(template)


def _of_default(template: Template) -> Iterator[Problem]:
    """Whoever has no language of the template gets the default one, so it has whatever any of them has."""
    for channel, parts in NEEDED.items():
        others = any(_complete(one, channel) for one in template.languages.values())
        if others and not template.carries(channel):
            at = f"{_pointer(template.default_language)}/{parts[0]}"
            yield Problem(at, f"is missing: another language has a text for {channel}, the default one must, too")


def _complete(parts: Parts, channel: str) -> bool:
    given = parts.given()
    return channel in CAPABILITIES and all(part in given for part in needed(channel))


def _pointer(language: str) -> str:
    return f"/languages/{language.replace('~', '~0').replace('/', '~1')}"
