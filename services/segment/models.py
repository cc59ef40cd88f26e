"""The tables that segment owns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, DateTime, Index, Integer, LargeBinary, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.database.tables import mechanism_tables


class Base(DeclarativeBase):
    """This service's tables."""


class CustomerStanding(Base):
    """PROJECTION: where a customer stands, and when passing time may change that."""

    __tablename__ = "standings"
    __table_args__ = (
        Index("standings_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("standings_tier_stage", "tier", "stage"),
    )

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    tier: Mapped[str] = mapped_column(Text)
    tier_reason: Mapped[str] = mapped_column(Text, server_default=text("''"))
    stage: Mapped[str] = mapped_column(Text)
    stage_reason: Mapped[str] = mapped_column(Text, server_default=text("''"))
    recency: Mapped[int | None] = mapped_column(SmallInteger)
    frequency: Mapped[int | None] = mapped_column(SmallInteger)
    monetary: Mapped[int | None] = mapped_column(SmallInteger)
    rfm_group: Mapped[str | None] = mapped_column(Text)
    abc: Mapped[str | None] = mapped_column(Text)
    key_customer: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    spend_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    revenue_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    rhythm_days: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    rhythm_pauses: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    shop_rhythm_days: Mapped[int | None] = mapped_column(Integer, comment="by which the stage was evaluated")
    values_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="is evaluated_at, unless a process of a release before scores wrote the row"
    )
    orders: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    window_spend_minor: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    last_order_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    evaluated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    tier_version: Mapped[int | None] = mapped_column(Integer)
    tier_figure: Mapped[int | None] = mapped_column(BigInteger)
    tier_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    tier_by_hand: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    downgrade_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    downgrade_to: Mapped[str | None] = mapped_column(Text)
    downgrade_warned: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))


class ProgrammeStanding(Base):
    """PROJECTION: what a customer has in a programme besides `default`, whose tier is in `standings`.

    Who has no row has the lowest tier, and waits for nothing.
    """

    __tablename__ = "programme_standings"
    __table_args__ = (Index("programme_standings_tier", "programme", "tier", "profile_id"),)

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(Text, primary_key=True)
    programme_version: Mapped[int] = mapped_column(Integer)
    tier: Mapped[str] = mapped_column(Text)
    figure: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    by_hand: Mapped[bool] = mapped_column(Boolean)
    downgrade_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    downgrade_to: Mapped[str | None] = mapped_column(Text)
    warned: Mapped[bool] = mapped_column(Boolean)
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ProgrammeVersionRow(Base):
    """RECORD: versions of programmes of tiers, which never change; the highest whose time has come is in force."""

    __tablename__ = "programmes"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    effective_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    author: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ProgrammeRollout(Base):
    """RECORD: how far the base was looked at by a version of a programme."""

    __tablename__ = "programme_rollouts"

    programme: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    effective_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    reached: Mapped[UUID | None] = mapped_column(Uuid, comment="the last customer who was looked at")
    customers: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    changed: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    done_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class GivenTier(Base):
    """RECORD: a tier that somebody gave a customer by hand, under the id that the customer had then."""

    __tablename__ = "tier_overrides"

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    programme: Mapped[str] = mapped_column(Text, primary_key=True)
    tier: Mapped[str] = mapped_column(Text)
    mode: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(Text)
    set_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class CustomerOrder(Base):
    """PROJECTION: what is known of one order, one row per (profile, order id)."""

    __tablename__ = "orders"

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    order_id: Mapped[str] = mapped_column(Text, primary_key=True)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    counts: Mapped[bool] = mapped_column(Boolean)
    currency: Mapped[str | None] = mapped_column(Text)
    net_minor: Mapped[int] = mapped_column(BigInteger)
    placed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class StandingPolicy(Base):
    """RECORD: what the tiers and stages mean: versions of `default`, which comes with the service, and of `own`."""

    __tablename__ = "policies"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, server_default=text("1"))
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)


class ScoreCutsVersion(Base):
    """RECORD: the base's cut points and rhythm as they were taken, and how far customers are scored by them."""

    __tablename__ = "score_cuts"

    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    taken_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    applied_to: Mapped[UUID | None] = mapped_column(Uuid)
    applied_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Customer(Base):
    """PROJECTION: what profile says of a customer, as the conditions of segments ask for it."""

    __tablename__ = "customers"

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    zone: Mapped[str] = mapped_column(Text, server_default=text("'UTC'"))
    language: Mapped[str] = mapped_column(Text, server_default=text("''"))
    traits: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    dates: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    identities: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    consents: Mapped[dict[str, bool]] = mapped_column(JSONB, server_default=text("'{}'"))
    orders: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    spend_minor: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'"))
    first_seen: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_seen: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    first_order_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_order_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class HistoryEvent(Base):
    """PROJECTION: what customers did, in short. An order that counts is one row, as it now stands."""

    __tablename__ = "history"
    __table_args__ = (Index("history_name_at_profile", "name", "at", postgresql_include=["profile_id"]),)

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    properties: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))


class EventOccurrence(Base):
    """PROJECTION: how often each event ever happened to a customer, first and last; `kept` of them are in `history`."""

    __tablename__ = "occurrences"

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    times: Mapped[int] = mapped_column(BigInteger)
    kept: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    first_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Segment(Base):
    """RECORD: a segment: its name, what it is being changed into, and which version is in force."""

    __tablename__ = "segments"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    revision: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    state: Mapped[str] = mapped_column(Text, comment="draft, live or archived")
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default=text("''"))
    draft: Mapped[dict[str, Any]] = mapped_column(JSONB)
    live_version: Mapped[int | None] = mapped_column(Integer, comment="the version in force")
    author: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_to: Mapped[UUID | None] = mapped_column(Uuid, comment="up to which member it has ended, once archived")
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="when all had left")


class SegmentVersion(Base):
    """RECORD: a published version of a segment, which never changes, and how far the base was looked at by it."""

    __tablename__ = "segment_versions"

    segment_id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    condition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    author: Mapped[str] = mapped_column(Text)
    effective_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    backfilled_to: Mapped[UUID | None] = mapped_column(Uuid, comment="the last customer who was looked at")
    backfilled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="when all had been")
    looked_at: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class DefinitionsRevision(Base):
    """RECORD: changes with every change of what is in force, so that processes know when to read it again."""

    __tablename__ = "definitions_revision"

    one: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("true"))
    revision: Mapped[UUID] = mapped_column(Uuid)


class Membership(Base):
    """PROJECTION: the members of segments, and since when they are.

    A process of a release before this one has here, too, who is none and may become one by time alone, and when.
    """

    __tablename__ = "memberships"
    __table_args__ = (
        Index("memberships_members", "segment_id", "profile_id", postgresql_where=text("member")),
        Index("memberships_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    segment_id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    member: Mapped[bool] = mapped_column(Boolean)
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="by a release before 0018")


class CustomerSegments(Base):
    """PROJECTION: how a customer stands with every segment, and when passing time alone may change that."""

    __tablename__ = "customer_segments"
    __table_args__ = (Index("customer_segments_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),)

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    known: Mapped[bytes] = mapped_column(LargeBinary, comment="memberships, and what is due, packed")
    due_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="the earliest moment in `known` at which to look again, or one before it"
    )


class Tag(Base):
    """RECORD: a tag, and what it is for."""

    __tablename__ = "tags"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text, comment="manual, imported, rule or journey")
    owner: Mapped[str] = mapped_column(Text, server_default=text("''"))
    description: Mapped[str] = mapped_column(Text, server_default=text("''"))
    segment_id: Mapped[str | None] = mapped_column(Text, comment="of a rule: the segment whose members have it")
    revision: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    author: Mapped[str] = mapped_column(Text, server_default=text("''"))
    backfilled_to: Mapped[UUID | None] = mapped_column(Uuid, comment="of a rule: the last customer who was looked at")
    backfilled_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="of a rule: when all whom it concerns had been"
    )


class CustomerTag(Base):
    """PROJECTION: the newest statement on whether a customer has a tag."""

    __tablename__ = "customer_tags"
    __table_args__ = (Index("customer_tags_tag", "tag", "profile_id", postgresql_where=text("set")),)

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tag: Mapped[str] = mapped_column(Text, primary_key=True)
    set: Mapped[bool] = mapped_column(Boolean)
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    stamp: Mapped[list[Any]] = mapped_column(JSONB, comment="of the statement that counts")


class CustomerList(Base):
    """RECORD: a list of customers, and what it is for."""

    __tablename__ = "lists"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default=text("''"))
    revision: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    author: Mapped[str] = mapped_column(Text, server_default=text("''"))
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="its id is not given again")


class ListMember(Base):
    """PROJECTION: the newest statement on whether a customer is on a list."""

    __tablename__ = "list_members"
    __table_args__ = (Index("list_members_list", "list_id", "profile_id", postgresql_where=text("member")),)

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    list_id: Mapped[str] = mapped_column(Text, primary_key=True)
    member: Mapped[bool] = mapped_column(Boolean)
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    stamp: Mapped[list[Any]] = mapped_column(JSONB, comment="of the statement that counts")


class CopiedRates(Base):
    """PROJECTION of profile's reference data: the rates of a pair of currencies in a year. A rebuild leaves it."""

    __tablename__ = "rates"

    key: Mapped[str] = mapped_column(Text, primary_key=True, comment="rates/<base>/<quote>/<year>")
    version: Mapped[int] = mapped_column(BigInteger)
    base: Mapped[str] = mapped_column(Text)
    quote: Mapped[str] = mapped_column(Text)
    rates: Mapped[dict[str, str]] = mapped_column(JSONB, comment="by day: decimal numbers, as texts")


class Erasure(Base):
    """RECORD: who was erased, for ever, under every id that they had."""

    __tablename__ = "erasures"

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    erased_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Reread(Base):
    """PROJECTION: a customer who was split, and of whom everything is read anew; nobody looks at them until then.

    `ends` says up to where the service has to have read, `attempt` and `held_until` who is at it.
    """

    __tablename__ = "rereads"

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    split_id: Mapped[UUID] = mapped_column(Uuid)
    split_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    asked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ends: Mapped[str] = mapped_column(Text, server_default=text("''"))
    attempt: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    held_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class SegmentSize(Base):
    """RECORD: how many members a segment has from a moment on. A size that stays the same has no further row.

    `entered` and `exited` count since the row before, where that was noted.
    """

    __tablename__ = "segment_sizes"

    segment_id: Mapped[str] = mapped_column(Text, primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    members: Mapped[int] = mapped_column(BigInteger)
    entered: Mapped[int | None] = mapped_column(BigInteger)
    exited: Mapped[int | None] = mapped_column(BigInteger)


mechanism_tables(Base.metadata)
