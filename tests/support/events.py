"""Events for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from shared.contracts import wire
from shared.contracts.envelope import Event, SourceKind
from shared.contracts.events import Body, CustomerIdentified, OrderPlaced
from shared.contracts.identity import Identity, Namespace, best, partition_key
from shared.contracts.wire import Message

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = str(UUID(int=7))
SECRET = b"a secret of the tests, long enough to be one"


def user(value: object) -> Identity:
    """A user id."""
    return Identity(Namespace.USER_ID, str(value))


def event(body: Body, *identities: Identity, at: datetime = NOON, **changes: Any) -> Event:
    """An event from a server, received when it happened."""
    fields: dict[str, Any] = {
        "event_id": uuid4(),
        "source_id": SOURCE,
        "source_kind": SourceKind.SERVER,
        "occurred_at": at,
        "received_at": at,
        "body": body,
        "identities": identities,
    }
    return Event(**(fields | changes))


def order(
    customer: object, order_id: object, total_minor: int = 10_00, *, at: datetime = NOON, **changes: Any
) -> Event:
    """An order in USD."""
    body = OrderPlaced(order_id=str(order_id), currency="USD", total_minor=total_minor)
    return event(body, user(customer), at=at, **changes)


def person(customer: object, *, at: datetime = NOON, **traits: Any) -> Event:
    """A customer with traits, who agreed to mail."""
    return event(CustomerIdentified(traits=traits, consent={"email": True}), user(customer), at=at)


def days(count: float) -> timedelta:
    """That many days."""
    return timedelta(days=count)


def message(topic: str, one: Event) -> Message:
    """An event as its producer would publish it."""
    headers, value = wire.encode(one)
    key = one.profile_id.bytes if one.profile_id else partition_key(str(best(one.identities)), secret=SECRET)
    return Message(topic=topic, key=key, headers=headers, value=value)
