"""Why several customers became one: each merge as it was decided, with the event behind it, in words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.profile.domain.parting import Name, names_of
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import CustomEvent
from shared.contracts.identity import Namespace
from shared.contracts.wire import TYPE_NAMES


class Linked(NamedTuple):
    """An identity, with the profile to which it was linked first, and by which event."""

    name: Name
    profile_id: UUID
    event_id: UUID


class Joined(NamedTuple):
    """A merge of the log: `other_id` is gone, and `profile_id` stands for it since `at`."""

    profile_id: UUID
    other_id: UUID
    event_id: UUID
    at: datetime


class Step(NamedTuple):
    """A merge, with the names by which the event knew each of the two, strongest first.

    `event` is None where it is on no timeline any more. A name stands on neither side if nobody had it before.
    """

    merge: Joined
    event: Event | None
    survivor_by: Sequence[Name]
    other_by: Sequence[Name]


def steps(merges: Iterable[Joined], linked: Iterable[Linked], events: Mapping[UUID, Event]) -> Iterator[Step]:
    """Yields the merges, in the order in which they were decided, as they looked then."""
    first = {one.name: one for one in linked}
    into: dict[UUID, UUID] = {}

    def standing(profile_id: UUID) -> UUID:
        while profile_id in into:
            profile_id = into[profile_id]
        return profile_id

    for merge in merges:
        event = events.get(merge.event_id)
        named = () if event is None else names_of(event)
        known = [one for one in named if one in first and first[one].event_id != merge.event_id]
        sides = {one: standing(first[one].profile_id) for one in known}
        yield Step(
            merge,
            event,
            tuple(one for one in known if sides[one] == merge.profile_id),
            tuple(one for one in known if sides[one] == merge.other_id),
        )
        into[merge.other_id] = merge.profile_id


_EN: Final = {SourceKind.PUBLIC: "a public key", SourceKind.SERVER: "a server's key", SourceKind.SERVICE: "a service"}
_ZH: Final = {SourceKind.PUBLIC: "公开密钥", SourceKind.SERVER: "服务器密钥", SourceKind.SERVICE: "内部服务"}


def in_english(step: Step) -> str:
    """Returns a step in an English sentence or two."""
    if step.event is None:
        return f"{_moment(step.merge.at)}: two customers became one. The event behind it is on no timeline any more."
    event = step.event
    one, other = _list(step.survivor_by, " and "), _list(step.other_by, " and ")
    told = f"{_moment(event.occurred_at)}: an event ({_kind(event)}) of {_EN[event.source_kind]}"
    if event.merges:
        return f"{told} states that {one or 'one customer'} and {other or 'another'} are one customer."
    if not one or not other:
        return f"{told} names {one or other or 'both'}, and two customers became one."
    return f"{told} names {one} together with {other}. Until then these were two customers."


def in_chinese(step: Step) -> str:
    """Returns a step in a Chinese sentence."""
    if step.event is None:
        return f"{_moment(step.merge.at)}：两位客户合并为一位；当时的事件已不在任何时间线上。"
    event = step.event
    one, other = _list(step.survivor_by, "、"), _list(step.other_by, "、")
    told = f"{_moment(event.occurred_at)}：来自{_ZH[event.source_kind]}的事件（{_kind(event)}）"
    if event.merges:
        return f"{told}声明 {one or '一位客户'} 与 {other or '另一位客户'} 是同一位客户。"
    if not one or not other:
        return f"{told}提到 {one or other or '两者'}，两位客户因此合并为一位。"
    return f"{told}同时提到 {one} 与 {other}；在此之前他们是两位客户。"


def _kind(event: Event) -> str:
    if isinstance(event.body, CustomEvent):
        return event.body.name
    return TYPE_NAMES[type(event.body)].split(".")[1]


def _list(names: Sequence[Name], joined_by: str) -> str:
    """Names as a text; beside a user id nothing else is needed."""
    users = [one for one in names if one[0].partition("@")[0] == Namespace.USER_ID]
    names = users or names
    return joined_by.join(f"{namespace}:{value}" for namespace, value in names)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
