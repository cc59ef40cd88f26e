"""The tables that profile owns."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.database.tables import mechanism_tables


class Base(DeclarativeBase):
    """This service's tables."""


class Profile(Base):
    """PROJECTION: one customer. A merged profile has no row; `profile_aliases` says who stands for it."""

    __tablename__ = "profiles"
    __table_args__ = (Index("profiles_last_seen_id", "last_seen", "id"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    first_seen: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_seen: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    state: Mapped[dict[str, Any]] = mapped_column(JSONB)
    orders: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    spend_minor: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'"))
    first_order_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_order_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class OwnedIdentity(Base):
    """PROJECTION of the identity log: who owns an identity. The owner may have been merged since: see aliases."""

    __tablename__ = "identities"
    __table_args__ = (Index("identities_value", "value", postgresql_ops={"value": "text_pattern_ops"}),)

    namespace: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[str] = mapped_column(Text, primary_key=True)
    profile_id: Mapped[UUID | None] = mapped_column(Uuid)


class IdentityDecision(Base):
    """RECORD: the identity log. Append only; no rebuild recomputes it."""

    __tablename__ = "identity_log"
    __table_args__ = (
        Index("identity_log_profile_id", "profile_id", "id"),
        Index(
            "identity_log_refusals",
            *("profile_id", "other_id", "namespace", "value", "provenance"),
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("kind = 'refuse' AND provenance IS NOT NULL"),
        ),
        Index(
            "identity_log_refused_values",
            *("namespace", "value", "profile_id"),
            postgresql_where=text("kind = 'refuse' AND provenance <> 'public'"),
        ),
        Index("identity_log_splits", "other_id", postgresql_where=text("kind = 'split'")),
        Index("identity_log_split_ids", "event_id", unique=True, postgresql_where=text("kind = 'split'")),
        Index(
            "identity_log_moved",
            *("namespace", "value", "id"),
            postgresql_where=text("reason = 'a split moved it'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    kind: Mapped[str] = mapped_column(Text, comment="create, link, alias, merge, refuse, split, lift")
    profile_id: Mapped[UUID] = mapped_column(Uuid)
    other_id: Mapped[UUID | None] = mapped_column(Uuid, comment="the merged, refused or separated profile")
    namespace: Mapped[str | None] = mapped_column(Text)
    value: Mapped[str | None] = mapped_column(Text)
    event_id: Mapped[UUID] = mapped_column(Uuid, comment="the cause; of a split, and of its lifting, the split's id")
    rule_version: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[str] = mapped_column(Text)
    provenance: Mapped[str | None] = mapped_column(Text, comment="public, server, service or verified")
    verified: Mapped[bool | None] = mapped_column(
        Boolean, comment="of a merge: whether the id that is gone opens the other"
    )


class _StoredEvent:
    """The columns of an event with its profile, and where profile published it; None in rows of before that was kept.

    `profile_id` is whose the event is now; `partition`, `origin` and `sequence` never change once they are set.
    """

    event_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    profile_id: Mapped[UUID] = mapped_column(Uuid)
    type: Mapped[str] = mapped_column(Text)
    occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    source_id: Mapped[str] = mapped_column(Text)
    source_kind: Mapped[str] = mapped_column(Text)
    historical: Mapped[bool] = mapped_column(Boolean)
    claim: Mapped[bool] = mapped_column(Boolean)
    identities: Mapped[list[Any]] = mapped_column(JSONB)
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    cause_id: Mapped[UUID | None] = mapped_column(Uuid)
    depth: Mapped[int] = mapped_column(SmallInteger)
    stated_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="as its sender's clock said, before any correction"
    )
    context: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="as in shared.contracts.context")
    merges: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    source_version: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    undated: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    space: Mapped[str] = mapped_column(Text, server_default=text("''"), comment="of its source's ids of orders")
    partition: Mapped[int | None] = mapped_column(SmallInteger, comment="of profile-events, where it lies")
    origin: Mapped[int | None] = mapped_column(Integer, comment="the partition of events that it came from")
    sequence: Mapped[int | None] = mapped_column(BigInteger, comment="in the lane of its origin")


class TimelineEvent(_StoredEvent, Base):
    """RECORD: every event ever folded. Its primary key removes doubles for ever; a rebuild reads it."""

    __tablename__ = "timeline"
    __table_args__ = (
        Index("timeline_profile_id_occurred_at", "profile_id", "occurred_at", "event_id"),
        Index("timeline_lanes", "partition", "origin", "sequence", postgresql_where=text("sequence IS NOT NULL")),
        Index("timeline_unnumbered", "event_id", postgresql_where=text("sequence IS NULL")),
    )


class Reassignment(_StoredEvent, Base):
    """RECORD: what was published beside the timeline, of orders that moved from one customer to another."""

    __tablename__ = "reassignments"
    __table_args__ = (
        Index("reassignments_lanes", "partition", "origin", "sequence", postgresql_where=text("sequence IS NOT NULL")),
        Index("reassignments_unnumbered", "event_id", postgresql_where=text("sequence IS NULL")),
    )


class CustomerOrder(Base):
    """PROJECTION: what is known of one order, one row per (profile, order)."""

    __tablename__ = "orders"
    __table_args__ = (Index("orders_paid", "profile_id", postgresql_where=text("facts ? 'payments'")),)

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    order_id: Mapped[str] = mapped_column(Text, primary_key=True, comment="with its space: contracts.orders.order_key")
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    counts: Mapped[bool] = mapped_column(Boolean)
    currency: Mapped[str | None] = mapped_column(Text)
    net_minor: Mapped[int] = mapped_column(BigInteger)
    refunded_minor: Mapped[int] = mapped_column(BigInteger)
    margin_minor: Mapped[int | None] = mapped_column(BigInteger)
    placed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class OrderOwner(Base):
    """RECORD: whose an order is by the newest snapshot of a source. No rebuild recomputes it."""

    __tablename__ = "order_owners"

    source_id: Mapped[str] = mapped_column(Text, primary_key=True)
    order_id: Mapped[str] = mapped_column(Text, primary_key=True)
    profile_id: Mapped[UUID] = mapped_column(Uuid, comment="it may have been merged since: see aliases")
    stamp: Mapped[list[Any]] = mapped_column(JSONB, comment="of that snapshot")


class OrderMark(Base):
    """RECORD: what other customers' events say of an order row: that it moved, or that a shop tells it elsewhere."""

    __tablename__ = "order_marks"

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    order_id: Mapped[str] = mapped_column(Text, primary_key=True)
    mark: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="facts, to be merged into the row's")


class PaymentRef(Base):
    """RECORD: by which names of payments an order and a payment's row are known to be one."""

    __tablename__ = "payment_refs"

    ref: Mapped[str] = mapped_column(Text, primary_key=True, comment="a payment's id at its provider")
    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    order_id: Mapped[str] = mapped_column(Text, primary_key=True)
    paid: Mapped[bool] = mapped_column(Boolean, comment="a provider's row of payments; else a shop's order")


class Count(Base):
    """PROJECTION: the full counts that top lists are ranked from at read."""

    __tablename__ = "counts"

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    times: Mapped[int] = mapped_column(BigInteger)


class ExchangeRate(Base):
    """RECORD: what was stated of a pair of currencies on a day. Append only; the latest of a pair and day counts."""

    __tablename__ = "rates"
    __table_args__ = (Index("rates_base_quote_day", "base", "quote", "day", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    base: Mapped[str] = mapped_column(Text, comment="ISO 4217")
    quote: Mapped[str] = mapped_column(Text, comment="ISO 4217")
    day: Mapped[date] = mapped_column(Date)
    rate: Mapped[Decimal] = mapped_column(Numeric, comment="units of the quoted currency for one unit of the base")
    stated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    stated_by: Mapped[str] = mapped_column(Text)


class Erasure(Base):
    """RECORD: who was erased, for ever, under every id that they had."""

    __tablename__ = "erasures"

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, comment="each id that the customer had")
    canonical_id: Mapped[UUID] = mapped_column(Uuid, comment="the one that stood for all of them")
    erased_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    events: Mapped[int] = mapped_column(Integer, comment="of the customer, deleted")


class ErasedEvent(Base):
    """RECORD: the ids of events that were deleted with their customer, so that a repeat makes nobody anew."""

    __tablename__ = "erased_events"

    event_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)


class Lane(Base):
    """RECORD: the next sequence of each origin partition, by which readers of `profile-events` skip repeats."""

    __tablename__ = "lanes"

    origin: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    next_sequence: Mapped[int] = mapped_column(BigInteger)


mechanism_tables(Base.metadata)
