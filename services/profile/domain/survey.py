"""A customer's answers to surveys: one for each occasion, the newest.

An occasion is an order, or else a day (UTC): who answers again corrects the earlier answer. Only the newest occasions
are kept, by the order that also decides which answer of an occasion is: so the answers stay a join within the bound.
"""

from collections.abc import Mapping
from heapq import nlargest
from typing import Final

import msgspec

from shared.contracts.envelope import Event, SourceKind, Stamp
from shared.contracts.events import FeedbackSubmitted

MAX_ANSWERS: Final = 100  # of all surveys; the oldest go


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """A rating, and the stamp of the event that gave it."""

    stamp: Stamp
    survey: str
    rating: int


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """How many answers, and the sum of their ratings."""

    answers: int = 0
    total: int = 0


def answered_by(event: Event) -> dict[str, Answer]:
    """Returns what an event answers, by occasion. When a public key says that it was answered is its own word."""
    body = event.body
    if not isinstance(body, FeedbackSubmitted):
        return {}
    at = event.received_at if event.source_kind is SourceKind.PUBLIC else event.occurred_at
    occasion = f"order/{body.order_id}" if body.order_id else f"day/{at:%Y-%m-%d}"
    return {f"{body.survey}/{occasion}": Answer(event.stamp, body.survey, body.rating)}


def merge(one: dict[str, Answer], other: dict[str, Answer]) -> dict[str, Answer]:
    """Returns the newest answer of each occasion, of the newest occasions."""
    if not one or not other:
        return one or other
    found = {**one}
    for occasion, answer in other.items():
        if occasion not in found or found[occasion].stamp < answer.stamp:
            found[occasion] = answer
    if len(found) <= MAX_ANSWERS:
        return found
    return dict(nlargest(MAX_ANSWERS, found.items(), key=lambda item: (item[1].stamp.place, item[0])))


def tallies(answers: Mapping[str, Answer], before: Mapping[str, Tally]) -> dict[str, Tally]:
    """Returns by survey the sums over these answers, and over those of before they were kept apart."""
    found = dict(before)
    for answer in answers.values():
        known = found.get(answer.survey, Tally())
        found[answer.survey] = Tally(known.answers + 1, known.total + answer.rating)
    return found
