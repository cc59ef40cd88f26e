"""Claims about one value of a customer: a trait, a tier, a consent, an identity, a moment.

What is tried is one value of every class that the claims can tell apart; the conditions themselves answer.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from datetime import date as day_of
from itertools import combinations
from typing import Any, Final
from uuid import UUID

from services.segment.domain.conditions.customer import ORDERS, Customer, Happening, Occurrence
from services.segment.domain.conditions.kinds.bucket import Bucket
from services.segment.domain.conditions.possible.claims import Claim, NotKnown, tried
from services.segment.domain.conditions.possible.numbers import reals
from shared.calendars.durations import parse
from shared.contracts.property_filter import exact, is_number

MAX_LISTED: Final = 6  # values of a list of which all subsets are tried
_SOMEBODY: Final = UUID(int=0)
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_TEXTS: Final = frozenset({"contains", "starts_with", "ends_with"})
_BY_DAY: Final = frozenset({"before", "from"})
_LISTS: Final = frozenset({"any_of", "all_of"})


def somebody(**fields: Any) -> tuple[Customer, datetime]:
    """Returns a customer of whom only this is known, and a moment."""
    return Customer(profile_id=_SOMEBODY, **fields), _NOW


def any_trait(claims: Sequence[Claim]) -> bool:
    """Returns whether a trait can be as these claims say."""
    name = claims[0].leaf.name  # type: ignore[attr-defined]
    return tried((somebody(traits={name: value}) for value in _traits(claims)), claims)


def _traits(claims: Sequence[Claim]) -> Iterator[Any]:
    leaves: list[Any] = [one.leaf for one in claims]
    mentioned = [value for leaf in leaves for value in _several(leaf.value)]
    texts = [value for value in mentioned if isinstance(value, str)]
    yield from (None, {}, True, False)
    yield from texts
    yield _text(claims, texts)
    listed = _different(value for leaf in leaves if leaf.op in _LISTS for value in leaf.value)
    yield from ([], listed)
    yield from reals(value for value in mentioned if is_number(value))
    if len(listed) > MAX_LISTED:
        raise NotKnown
    for length in range(1, len(listed)):
        yield from (list(some) for some in combinations(listed, length))


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else () if value is None else (value,)


def _different(values: Iterable[Any]) -> list[Any]:
    """Returns the values that differ as JSON has it: true is not 1, and 1.0 is."""
    return list({(isinstance(one, bool), exact(one)): one for one in values}.values())


def _text(claims: Sequence[Claim], texts: Sequence[str]) -> str:
    """Returns the text that has what it must have, and else only what no claim mentions."""
    wanted: list[Any] = [one.leaf for one in claims if one.wants and one.leaf.op in _TEXTS]  # type: ignore[attr-defined]
    other = _unused(texts)
    begin = max((one.value for one in wanted if one.op == "starts_with"), key=len, default="")
    end = max((one.value for one in wanted if one.op == "ends_with"), key=len, default="")
    return other.join([begin, *(one.value for one in wanted if one.op == "contains"), end])


def _unused(texts: Iterable[str]) -> str:
    """Returns a character that is in none of these."""
    used = set("".join(texts))
    return next(one for one in map(chr, range(0xE000, 0xE000 + len(used) + 1)) if one not in used)


def any_identity(claims: Sequence[Claim]) -> bool:
    """Returns whether the identities of a namespace can be as these claims say: one for each that is wanted."""
    leaves: list[Any] = [one.leaf for one in claims]
    other = _unused(leaf.value for leaf in leaves)
    made = {"eq": "{0}", "starts_with": "{0}{1}", "ends_with": "{1}{0}", "exists": "{1}"}
    wanted = [
        made[leaf.op].format(leaf.value, other)
        for leaf, one in zip(leaves, claims, strict=True)
        if one.wants and leaf.op != "missing"
    ]
    namespace = leaves[0].namespace
    return tried((somebody(identities={namespace: some}) for some in ([], wanted, [*wanted, other])), claims)


def any_name(field: Callable[[str], tuple[Customer, datetime]]) -> Callable[[Sequence[Claim]], bool]:
    """Returns what tries every name that claims mention, and one that they don't."""

    def possible(claims: Sequence[Claim]) -> bool:
        names = {name for one in claims for name in one.leaf.among}  # type: ignore[attr-defined]
        return tried(map(field, [*names, _unused(names)]), claims)

    return possible


def any_consent(claims: Sequence[Claim]) -> bool:
    """Returns whether a consent can be as these claims say."""
    leaf: Any = claims[0].leaf
    key = f"{leaf.channel}:{leaf.purpose}"
    return tried((somebody(consents=one) for one in ({}, {key: True}, {key: False})), claims)


def any_bucket(claims: Sequence[Claim]) -> bool:
    """Returns whether there is a bucket as these claims say."""
    ranges = [(one.leaf, one.answers) for one in claims if isinstance(one.leaf, Bucket)]
    edges = {0, *(edge for leaf, _ in ranges for edge in (leaf.first, leaf.end) if edge < leaf.of)}
    return any(all((leaf.first <= edge < leaf.end) in answers for leaf, answers in ranges) for edge in edges)


def any_moment(claims: Sequence[Claim]) -> bool:
    """Returns whether a moment of the profile can be as these claims say, at some time."""
    name = claims[0].leaf.of  # type: ignore[attr-defined]
    known = ((_known({name: at}), now) for at, now in _moments(claims))
    return tried([somebody()], claims) or tried(known, claims)


def _known(fields: Mapping[str, Any]) -> Customer:
    return Customer(profile_id=_SOMEBODY, **fields)


def any_occurrence(claims: Sequence[Claim]) -> bool:
    """Returns whether an event's first or last time can be as these claims say, at some time."""
    event = claims[0].leaf.event  # type: ignore[attr-defined]

    def at(moment: datetime) -> Customer:
        if event == ORDERS:
            return Customer(profile_id=_SOMEBODY, history={event: (Happening(moment),)})
        return Customer(profile_id=_SOMEBODY, occurrences={event: Occurrence(1, moment, moment)})

    return tried([somebody()], claims) or tried(((at(moment), now) for moment, now in _moments(claims)), claims)


def _moments(claims: Sequence[Claim]) -> Iterator[tuple[datetime, datetime]]:
    """Yields moments on both sides of every day that claims name, each seen on both sides of every duration."""
    leaves: list[Any] = [one.leaf for one in claims]
    days = [datetime.combine(day_of.fromisoformat(one.value), time(), UTC) for one in leaves if one.op in _BY_DAY]
    spans = [parse(one.value) for one in leaves if one.op in ("within", "longer_ago")]
    try:
        moments = [moment for day in days for moment in (day, day - _TICK)] or [_NOW]
        ages = [age for span in spans for age in (span, span - _TICK)] or [timedelta(0)]
        found = [(moment, moment + age) for moment in moments for age in ages]
    except OverflowError:
        raise NotKnown from None
    yield from found
