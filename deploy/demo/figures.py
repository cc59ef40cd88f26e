"""What the services' databases say of the demo's own customers and orders, and of what others have sent.

The APIs count everybody. The demo checks each of its orders and events by itself, so it reads the databases, as
whoever runs them may; it writes nothing.
"""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import asyncpg

from deploy.demo.cdnow import Line
from deploy.local.postgres import Postgres
from deploy.local.process import StackError
from shared.contracts.envelope import event_ids

CONNECT_SECONDS: Final = 10

_OWNERS: Final = """
SELECT i.value AS customer, coalesce(a.canonical_id, i.profile_id) AS profile_id
  FROM unnest($1::text[]) AS u (customer)
  JOIN identities i ON i.namespace = 'user_id' AND i.value = u.customer
  LEFT JOIN profile_aliases a ON a.profile_id = i.profile_id
 WHERE i.profile_id IS NOT NULL
"""
_DEMO: Final = """
WITH demo AS (SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS d (profile_id, order_id, cents))
"""
_OWN_ORDERS: Final = f"""
{_DEMO}
SELECT count(*) FILTER (WHERE o.counts) AS orders,
       coalesce(sum(o.net_minor + o.refunded_minor) FILTER (WHERE o.counts), 0)::bigint AS cents,
       count(*) FILTER (WHERE o.counts AND (o.currency <> 'USD' OR o.net_minor + o.refunded_minor <> d.cents)) AS other,
       count(*) FILTER (WHERE NOT o.counts) AS cancelled,
       count(*) FILTER (WHERE o.counts AND o.refunded_minor <> 0) AS refunded
  FROM demo d
  LEFT JOIN orders o USING (profile_id, order_id)
"""
_OTHER_ORDERS: Final = f"""
{_DEMO}
SELECT o.currency, count(*) AS orders, sum(o.net_minor)::bigint AS minor, count(DISTINCT o.profile_id) AS customers,
       count(*) FILTER (WHERE EXISTS (SELECT FROM demo d WHERE d.order_id = o.order_id)) AS named_alike
  FROM orders o
 WHERE o.counts AND NOT EXISTS (SELECT FROM demo d WHERE d.profile_id = o.profile_id AND d.order_id = o.order_id)
 GROUP BY GROUPING SETS ((o.currency), ())
"""
_EVENTS: Final = """
SELECT count(*) AS events, count(DISTINCT coalesce(a.canonical_id, t.profile_id)) AS customers
  FROM unnest($1::uuid[]) AS u (event_id)
  JOIN timeline t USING (event_id)
  LEFT JOIN profile_aliases a ON a.profile_id = t.profile_id
"""
_JOINED: Final = "SELECT DISTINCT profile_id FROM timeline WHERE merges AND profile_id = ANY($1)"
_STANDINGS: Final = """
SELECT s.tier, s.stage, count(u.profile_id) AS customers, count(*) - count(u.profile_id) AS others
  FROM standings s
  LEFT JOIN unnest($1::uuid[]) AS u (profile_id) USING (profile_id)
 GROUP BY s.tier, s.stage
"""
_MESSAGES: Final = """
SELECT journey_id, count(*) FILTER (WHERE ours) AS sent, count(*) FILTER (WHERE NOT ours) AS others,
       percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP
       (ORDER BY extract(epoch FROM handed_at - cause_received_at)::float8)
       FILTER (WHERE ours AND NOT by_time) AS seconds
  FROM (
       SELECT m.*, u.profile_id IS NOT NULL AS ours
         FROM messages m
         LEFT JOIN profile_aliases a ON a.profile_id = m.profile_id
         LEFT JOIN unnest($1::uuid[]) AS u (profile_id) ON u.profile_id = coalesce(a.canonical_id, m.profile_id)
        WHERE m.state = 'sent'
       ) AS found
 GROUP BY journey_id
 ORDER BY journey_id
"""
_UNKNOWN: Final = "SELECT count(*) FROM messages WHERE state = 'unknown'"


@dataclass(frozen=True, slots=True)
class Journey:
    """One journey's messages that were sent: to the demo's customers, with their seconds, and to others."""

    name: str
    sent: int
    others: int
    seconds: tuple[float, float] | None  # median and 99th percentile, from accept to message


@dataclass(slots=True)
class Figures:
    """Of the demo, but for what is named otherwise. Sums are in cents, before refunds."""

    customers: int = 0  # of those who should be known
    profiles: int = 0  # that these customers are
    joined: int = 0  # how many of them an alias made one with another
    orders: int = 0
    cents: int = 0
    other_amounts: int = 0  # orders that have another amount or currency than was sent
    cancelled: int = 0  # by somebody else, since
    refunded: int = 0
    displaced: int = 0  # orders under an id of the demo's, at somebody whose order it is not
    events: int = 0
    profiles_of_events: int = 0
    tiers: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    journeys: list[Journey] = field(default_factory=list)
    unknown_messages: int = 0  # of everybody
    others_orders: int = 0
    others_customers: int = 0  # who ordered
    others_minor: dict[str, int] = field(default_factory=dict)  # by currency, refunds taken off
    others_standings: int = 0  # customers whom the tables do not count

    @property
    def sent(self) -> int:
        """Messages to everybody."""
        return sum(one.sent + one.others for one in self.journeys)


async def read(
    postgres: Postgres, customers: Sequence[str], lines: Iterable[Line], source_id: UUID, message_ids: Iterable[str]
) -> Figures:
    """Returns what is there of these customers, orders and messages. Raises `StackError`."""
    found = Figures()
    try:
        async with _connected(postgres, "profile") as connection:
            owners: Mapping[str, UUID] = {
                row["customer"]: row["profile_id"] for row in await connection.fetch(_OWNERS, customers)
            }
            await _read_profiles(connection, found, owners, [line for line in lines if line.customer in owners])
            ids = [UUID(int=one.int) for one in map(event_ids(source_id), message_ids)]
            row = await connection.fetchrow(_EVENTS, ids)
            found.events, found.profiles_of_events = row["events"], row["customers"]
        profile_ids = sorted(set(owners.values()))
        async with _connected(postgres, "segment") as connection:
            for row in await connection.fetch(_STANDINGS, profile_ids):
                found.tiers[row["tier"]] += row["customers"]
                found.stages[row["stage"]] += row["customers"]
                found.others_standings += row["others"]
        async with _connected(postgres, "campaign") as connection:
            for row in await connection.fetch(_MESSAGES, profile_ids):
                seconds = row["seconds"] and (row["seconds"][0], row["seconds"][1])
                found.journeys.append(Journey(row["journey_id"], row["sent"], row["others"], seconds))
            found.unknown_messages = await connection.fetchval(_UNKNOWN)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise StackError(f"the demo's figures could not be read from PostgreSQL: {error}") from None
    return found


async def _read_profiles(connection: Any, found: Figures, owners: Mapping[str, UUID], lines: Sequence[Line]) -> None:
    profiles = Counter(owners.values())
    several = [profile_id for profile_id, names in profiles.items() if names > 1]
    joined = {row["profile_id"] for row in await connection.fetch(_JOINED, several)}
    found.customers, found.profiles = len(owners), len(profiles)
    found.joined = sum(profiles[profile_id] - 1 for profile_id in joined)
    wanted = (
        [owners[line.customer] for line in lines],
        [line.message_id for line in lines],
        [line.total_cents for line in lines],
    )
    row = await connection.fetchrow(_OWN_ORDERS, *wanted)
    found.orders, found.cents, found.other_amounts = row["orders"], row["cents"], row["other"]
    found.cancelled, found.refunded = row["cancelled"], row["refunded"]
    for row in await connection.fetch(_OTHER_ORDERS, *wanted):
        if row["currency"] is None:
            found.others_orders, found.others_customers = row["orders"], row["customers"]
            found.displaced = row["named_alike"]
        else:
            found.others_minor[row["currency"]] = row["minor"]


@contextlib.asynccontextmanager
async def _connected(postgres: Postgres, service: str) -> AsyncIterator[Any]:
    url = postgres.database_url(service).replace("+asyncpg", "")
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    try:
        yield connection
    finally:
        await connection.close()
