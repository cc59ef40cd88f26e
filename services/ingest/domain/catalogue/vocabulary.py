"""Every event name that is understood: `GET /v1/vocabulary`, and `docs/vocabulary.md`, which

    python -m services.ingest.domain.catalogue.vocabulary > docs/vocabulary.md

writes. A name that is written almost like one of them is a custom event all the same: nothing is guessed, it is warned
of.
"""

import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from services.ingest.domain.catalogue.entry import CatalogueEntry
from services.ingest.domain.catalogue.registry import BY_NAME, ENTRIES
from shared.contracts import events
from shared.contracts.events import Body, CustomEvent, MessageFact

REMEMBERED_NAMES: Final = 8_192  # of events, and whether they are near a known one
MAX_NEAR_LENGTH: Final = 64  # characters; no known name is half as long

_ON_THE_TIMELINE: Final = "is on the customer's timeline"
_BECOMES: Final[Mapping[type[Body], str]] = {
    events.OrderPlaced: "is an order: counted in the customer's and the shop's figures, tiers and segments",
    events.OrderRefunded: "is taken off its order, and off the figures",
    events.OrderCancelled: "cancels its order, which counts no more",
    events.OrderShipped: "is on the timeline, and the state of its order",
    events.OrderDelivered: "is on the timeline, and the state of its order",
    events.CustomerIdentified: "gives the customer traits, identities and consent",
    events.ConsentChanged: "grants or withdraws consent to a channel and a purpose",
    events.PageViewed: "is on the timeline, and counted by page",
    events.ProductViewed: "is on the timeline, and counted by product and category",
    events.TraitSet: "gives the customer traits, and identifies nobody",
    events.TagSet: "gives the customer a tag, for segments",
    events.TagCleared: "takes a tag from the customer",
    events.ListMemberAdded: "puts the customer on a list, for segments",
    events.ListMemberRemoved: "takes the customer off a list",
    events.FeedbackSubmitted: "is an answer to a survey; a bad one opens a case",
}
_OF_OURS: Final = "$"  # how a property begins by which one part of this service tells another something
_MAIL: Final = "is on the timeline, as what became of another system's message"


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """One name, and what is made of an event of that name.

    `properties` are those that the typed event holds; of those in one list the first that is present counts. All others
    are kept with it as they came.
    """

    name: str
    type: str
    becomes: str
    properties: tuple[tuple[str, ...], ...]
    route: str | None = None


def _spelled(name: str) -> str:
    return " ".join(word if word in ("to", "as", "from") else word.capitalize() for word in name.split())


def _becomes(entry: CatalogueEntry) -> str:
    found = _MAIL if issubclass(entry.body, MessageFact) else _BECOMES.get(entry.body, _ON_THE_TIMELINE)
    if entry.whole is not None:
        return f"{found}; with the cart's `products`, `cart_id` and `currency` it is the whole cart"
    return found


def _known() -> Iterator[Known]:
    for entry in ENTRIES:
        route = None if entry.route is None else f"/v1/{entry.route.path}"
        held = () if entry.properties is None else entry.properties.held
        properties = tuple(names for names in held if not names[0].startswith(_OF_OURS))
        for name in entry.names:
            yield Known(
                name=_spelled(name), type=entry.body.TYPE, becomes=_becomes(entry), properties=properties, route=route
            )


VOCABULARY: Final = tuple(_known())
"""In the order of the catalogue."""


# Names that are near


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _stem(verb: str) -> str:
    for end, instead in (("ied", "y"), ("wed", "w"), ("ded", "d"), ("ted", "te"), ("ed", "e")):
        if verb.endswith(end):
            return verb.removesuffix(end) + instead
    return verb


def _forms(name: str) -> Iterator[str]:
    """Yields how else a name is written: run together, in another tense, or as version 1 of the specification had it
    (`Completed Order`).
    """
    words = name.split()
    verb = words[-1]
    for last in {verb, _stem(verb), verb.removesuffix("ed"), verb.removesuffix("d"), verb + "s"}:
        yield _plain("".join([*words[:-1], last]))
        if len(words) == 2:
            yield _plain(last + words[0])


def _without_one(text: str) -> Iterator[str]:
    for at in range(len(text)):
        yield text[:at] + text[at + 1 :]


_NEAR: Final[Mapping[str, str]] = {
    **{short: name for name in BY_NAME for short in _without_one(_plain(name))},
    **{form: name for name in BY_NAME for form in _forms(name)},
}


@lru_cache(REMEMBERED_NAMES)
def near(name: str) -> str | None:
    """Returns the known name that an unknown one is almost written like; None if there is none.

    That is: in other spaces and signs, in another tense, or with one letter more, less or other, or two that have
    changed places.
    """
    if name.lower() in BY_NAME or len(name) > MAX_NEAR_LENGTH:
        return None
    plain = _plain(name)
    for one in (plain, *_without_one(plain)):
        if (found := _NEAR.get(one)) is not None:
            return _spelled(found)
    return None


def warnings(body: Body) -> tuple[str, ...]:
    """Returns what is to be said of an event's name, for the figures of its source."""
    if type(body) is not CustomEvent or (known := near(body.name)) is None:
        return ()
    return (f"event {body.name!r} has no meaning here; there is {known!r}",)


# The page


def page() -> str:
    """Returns the vocabulary as a page of the documentation."""
    rows = [
        f"| {one.name} | {', '.join(' or '.join(f'`{name}`' for name in names) for names in one.properties) or '–'} "
        f"| `{one.type}` | {one.becomes} |"
        for one in VOCABULARY
    ]
    return "\n".join([_HEAD, *rows, ""])


_HEAD: Final = """# Vocabulary: every event name that is understood

For those who send events. This page is written by `python -m services.ingest.domain.catalogue.vocabulary`;
`GET /v1/vocabulary` says the same.

A `track` call of one of these names, in any case, is the typed event beside it; so is a CloudEvent of that type, or of
that name. Further properties are kept with it as they came. A name that is not here is a custom event: on the timeline,
with all its properties. A name that is almost one of these (`order_completed`, `Order Complete`, `Product Vieved`) is a
custom event, too, and a *warning* in the figures of its source (`GET /v1/sources/{id}/figures`): nothing is guessed
about money or consent. A source's `renaming` gives its own names a meaning.

What is about an order or about consent is taken whole, or refused with the reason. Behaviour is kept as a custom event
if a property that its type needs is missing or is of another type. From a public key all of it is believed, but for
what is about orders, consent, messages of other systems, tags and lists, and for `Trait Set`
([who says it](ingest.md#who-an-event-is-about)).

`identify` is `rapport.customer_identified.v1`, `page` and `screen` are `rapport.page_viewed.v2`.

| name | properties of the typed event | type | the event |
|---|---|---|---|"""


if __name__ == "__main__":
    sys.stdout.write(page())
