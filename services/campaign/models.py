"""The tables that campaign owns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.database.tables import mechanism_tables


class Base(DeclarativeBase):
    """This service's tables."""


class Contact(Base):
    """PROJECTION: what a message needs to know of a customer, by the newest version that came."""

    __tablename__ = "contacts"

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    email: Mapped[str | None] = mapped_column(Text)
    first_name: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    country: Mapped[str] = mapped_column(Text)
    consent: Mapped[dict[str, Any]] = mapped_column(JSONB)
    orders: Mapped[int] = mapped_column(Integer)
    spend_minor: Mapped[dict[str, Any]] = mapped_column(JSONB)
    phone: Mapped[str | None] = mapped_column(Text)
    time_zone: Mapped[str] = mapped_column(Text, server_default=text("''"), comment="IANA name; empty if not known")
    facts: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"), comment="dated facts")


class Standing(Base):
    """PROJECTION: the newest tier and stage that came; an older or repeated change is passed over."""

    __tablename__ = "standings"

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True, comment="tier or stage")
    version: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[str] = mapped_column(Text)


class Membership(Base):
    """PROJECTION: whether a customer is a member of a segment, by the newest version that came."""

    __tablename__ = "memberships"
    __table_args__ = (Index("memberships_of_customer", "profile_id"),)

    segment_id: Mapped[str] = mapped_column(Text, primary_key=True)
    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    segment_version: Mapped[int] = mapped_column(Integer)
    member: Mapped[bool] = mapped_column(Boolean)


class FormerJourneyVersion(Base):
    """RECORD: definitions of before there were nodes, for processes of the release before."""

    __tablename__ = "journeys"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))


class JourneyVersion(Base):
    """RECORD: a definition, and whether it is running. The highest version of an id is the one that is entered."""

    __tablename__ = "journey_versions"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    published_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
    published_by: Mapped[str] = mapped_column(Text, server_default=text("''"), comment="empty: came with the service")


class JourneyDraft(Base):
    """RECORD: a definition that is being written: the next version of its journey, once it is published."""

    __tablename__ = "journey_drafts"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    revision: Mapped[int] = mapped_column(Integer, comment="counts the edits")
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_by: Mapped[str] = mapped_column(Text)


class Template(Base):
    """RECORD: a template as it is being written; what is sent are its versions."""

    __tablename__ = "templates"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    revision: Mapped[int] = mapped_column(Integer, comment="counts the edits")
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_by: Mapped[str] = mapped_column(Text)


class TemplateVersion(Base):
    """RECORD: a template as it was published. It never changes; the newest of an id is what is sent."""

    __tablename__ = "template_versions"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    digest: Mapped[str] = mapped_column(Text, comment="of the document: SHA-256, in hexadecimal digits")
    published_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    published_by: Mapped[str] = mapped_column(Text, comment="empty: came with the service")


class SentCopy(Base):
    """RECORD: a message as it was handed over, until it expires."""

    __tablename__ = "sent_copies"
    __table_args__ = (Index("sent_copies_expires_at", "expires_at"),)

    message_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    template: Mapped[str] = mapped_column(Text)
    template_version: Mapped[int] = mapped_column(Integer)
    subject: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    html: Mapped[str] = mapped_column(Text)


class PreferenceChange(Base):
    """RECORD: how often the page of preferences was used on a day, by the message whose link it was."""

    __tablename__ = "preference_changes"

    link: Mapped[UUID] = mapped_column(Uuid, primary_key=True, comment="the message whose link it was")
    day: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    changes: Mapped[int] = mapped_column(Integer)


class Run(Base):
    """RECORD: one customer's way through a journey. Its id derives from what it was entered for."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_due", "due_at", postgresql_where=text("state = 'active' AND due_at IS NOT NULL")),
        Index("runs_of_customer", "profile_id", postgresql_where=text("state = 'active'")),
        Index("runs_of_journey", "journey_id", "entered_at", "id"),
        Index("runs_of_person", "profile_id", "entered_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    journey_id: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    profile_id: Mapped[UUID] = mapped_column(Uuid, comment="the customer; of a merged one the survivor")
    entry_key: Mapped[str] = mapped_column(Text)
    trigger_id: Mapped[str] = mapped_column(Text, comment="of what let the customer in")
    triggered_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), comment="when that happened")
    entered_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, server_default=text("''"))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    node: Mapped[str] = mapped_column(Text)
    visit: Mapped[int] = mapped_column(Integer, comment="how many nodes it has entered")
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    awaits: Mapped[str] = mapped_column(Text, server_default=text("''"))
    signal: Mapped[str | None] = mapped_column(Text, comment="what it awaited and has come")
    waiting_since: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    cause_id: Mapped[UUID] = mapped_column(Uuid, comment="what moved it last")
    cause_occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    cause_received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    by_time: Mapped[bool] = mapped_column(Boolean)
    depth: Mapped[int] = mapped_column(SmallInteger)
    traceparent: Mapped[str | None] = mapped_column(Text)


class RunStep(Base):
    """RECORD: what a node did on a visit of a run, for whoever asks why."""

    __tablename__ = "run_steps"

    run_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    visit: Mapped[int] = mapped_column(Integer, primary_key=True)
    outcome: Mapped[str] = mapped_column(Text, primary_key=True)
    node: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text, server_default=text("''"))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class DateEntry(Base):
    """RECORD: when a day of a customer's life sets a journey off next, kept from what is known of the customer."""

    __tablename__ = "date_entries"
    __table_args__ = (
        Index("date_entries_due", "due_at"),
        Index("date_entries_of_customer", "profile_id"),
    )

    journey_id: Mapped[str] = mapped_column(Text, primary_key=True)
    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True, comment="of the dated fact")
    label: Mapped[str] = mapped_column(Text, primary_key=True)
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class DateBackfill(Base):
    """RECORD: how far customers' days were looked at by a version of a journey."""

    __tablename__ = "date_backfills"

    journey_id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    looked_at_to: Mapped[UUID | None] = mapped_column(Uuid, comment="the last customer")
    done: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))


class CouponRow(Base):
    """RECORD: a coupon that was issued, and what it was redeemed for. Its code derives from what it was issued for."""

    __tablename__ = "coupons"
    __table_args__ = (
        Index("coupons_of_customer", "profile_id", "issued_at"),
        Index("coupons_of_run", "run_id"),
    )

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    journey_id: Mapped[str] = mapped_column(Text)
    run_id: Mapped[UUID] = mapped_column(Uuid)
    profile_id: Mapped[UUID] = mapped_column(Uuid)
    value: Mapped[dict[str, Any]] = mapped_column(JSONB)
    minimum_minor: Mapped[int | None] = mapped_column(BigInteger)
    issued_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    redeemed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    order_id: Mapped[str | None] = mapped_column(Text, comment="for which it was redeemed")


class BroadcastRow(Base):
    """RECORD: a broadcast: its definition, where it stands, and how far it has come."""

    __tablename__ = "broadcasts"
    __table_args__ = (Index("broadcasts_created_at", "created_at", "trigger_id"),)

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    revision: Mapped[int] = mapped_column(Integer, comment="counts the edits and changes of state")
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, server_default=text("''"), comment="why it stands there")
    trigger_id: Mapped[UUID] = mapped_column(Uuid, comment="what its messages name as their cause")
    starts_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    segment_version: Mapped[int | None] = mapped_column(Integer, comment="by which the audience was drawn")
    audience: Mapped[int | None] = mapped_column(BigInteger, comment="how many it goes to, fixed at its start")
    done_to: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), comment="the last place made ready")
    made_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="when messages were made ready last"
    )
    looked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("'-infinity'"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_by: Mapped[str] = mapped_column(Text)


class BroadcastRecipient(Base):
    """RECORD: whom a broadcast goes to, as of its start."""

    __tablename__ = "broadcast_audience"

    broadcast_id: Mapped[str] = mapped_column(Text, primary_key=True)
    place: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    profile_id: Mapped[UUID] = mapped_column(Uuid)


class Message(Base):
    """RECORD: one message. Its id derives from its trigger, so that deciding twice makes it once."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("messages_one_per_visit", "journey_id", "profile_id", "trigger_id", "step", "visit", unique=True),
        Index("messages_due", "due_at", postgresql_where=text("state = 'pending'")),
        Index("messages_sending", "sending_since", postgresql_where=text("state = 'sending'")),
        Index("messages_profile_id", "profile_id"),
        Index("messages_created_at", "created_at", "id"),
        Index(
            "messages_of_broadcast_waiting",
            "journey_id",
            postgresql_where=text("kind = 'broadcast' AND state IN ('pending', 'sending')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    journey_id: Mapped[str] = mapped_column(Text)
    journey_version: Mapped[int] = mapped_column(Integer)
    profile_id: Mapped[UUID] = mapped_column(Uuid)
    trigger_id: Mapped[str] = mapped_column(Text)
    reached: Mapped[str] = mapped_column(Text, comment="the tier or stage that set it off")
    state: Mapped[str] = mapped_column(Text, server_default=text("'pending'"))
    subject: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    sending_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    handed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    claim_id: Mapped[UUID | None] = mapped_column(Uuid, comment="the claim that marked it as sending last")
    cause_occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    cause_received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    by_time: Mapped[bool] = mapped_column(Boolean, comment="no event caused it: a due time passed")
    depth: Mapped[int] = mapped_column(SmallInteger, comment="of the trigger")
    traceparent: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(
        Text, server_default=text("'journey'"), comment="what sends it: a journey, a broadcast, or a single request"
    )
    definition: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="of a single message, its own")
    properties: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB, comment="of a single message: what its template may use"
    )
    run_id: Mapped[UUID | None] = mapped_column(Uuid, comment="of the journey; None of before there were runs")
    step: Mapped[str] = mapped_column(Text, server_default=text("''"), comment="the node that sends it")
    visit: Mapped[int] = mapped_column(Integer, server_default=text("0"), comment="of that node")
    gate_channel: Mapped[str | None] = mapped_column(Text, comment="what it counts as at the gate; None: by mail")
    gate_purpose: Mapped[str | None] = mapped_column(Text, comment="what it counts as at the gate; None: marketing")
    gate_template: Mapped[str | None] = mapped_column(Text, comment="what it counts as at the gate")


class Entry(Base):
    """RECORD: what a customer entered a journey for: once for each key, however often it is stated."""

    __tablename__ = "entries"

    journey_id: Mapped[str] = mapped_column(Text, primary_key=True)
    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    entry_key: Mapped[str] = mapped_column("order_id", Text, primary_key=True)
    trigger_id: Mapped[UUID] = mapped_column(Uuid, comment="the id of the change")
    entered_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Confirmation(Base):
    """RECORD: for KEPT: a mailbox that is to be asked whether its owner agrees, and what became of that."""

    __tablename__ = "confirmations"
    __table_args__ = (
        Index("confirmations_due", "due_at", postgresql_where=text("state = 'pending'")),
        Index("confirmations_sending", "sending_since"),
        Index("confirmations_address", "address", "created_at"),
        Index("confirmations_created_at", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    profile_id: Mapped[UUID] = mapped_column(Uuid, comment="of the visitor who gave the address")
    address: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    requested_by: Mapped[UUID] = mapped_column(Uuid, comment="the visitor's event")
    state: Mapped[str] = mapped_column(Text, server_default=text("'pending'"))
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    sending_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    handed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    claim_id: Mapped[UUID | None] = mapped_column(Uuid, comment="the claim that marked it as sending last")
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    cause_occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    cause_received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    depth: Mapped[int] = mapped_column(SmallInteger)
    traceparent: Mapped[str | None] = mapped_column(Text)


class Unsubscription(Base):
    """RECORD: a message by whose link consent was withdrawn."""

    __tablename__ = "unsubscriptions"

    message_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), comment="when its link was used last")


class Decision(Base):
    """RECORD: why a customer did or did not get a message."""

    __tablename__ = "decisions"
    __table_args__ = (
        Index("decisions_profile_id_at", "profile_id", "at"),
        Index("decisions_journey_id_at", "journey_id", "at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    profile_id: Mapped[UUID] = mapped_column(Uuid)
    journey_id: Mapped[str] = mapped_column(Text)
    journey_version: Mapped[int] = mapped_column(Integer)
    trigger_id: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    cause_occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    message_id: Mapped[UUID | None] = mapped_column(Uuid, comment="the message that it is about; None of before")
    evidence: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="what the gate went by")


class GatePolicy(Base):
    """RECORD: a version of the gate's policy. The highest is in force."""

    __tablename__ = "gate_policies"

    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    policy: Mapped[dict[str, Any]] = mapped_column(JSONB)
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    changed_by: Mapped[str] = mapped_column(Text)


class SendStop(Base):
    """RECORD: while its one row is here, no message leaves."""

    __tablename__ = "send_stop"
    __table_args__ = (CheckConstraint("single", name="send_stop_single_row"),)

    single: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("true"))
    stopped_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    stopped_by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, server_default=text("''"))


class ProviderStop(Base):
    """RECORD: while a channel's row is here, its provider takes nothing from us, and only a probe leaves by it."""

    __tablename__ = "provider_stops"

    channel: Mapped[str] = mapped_column(Text, primary_key=True)
    stopped_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    stage: Mapped[str] = mapped_column(Text, comment="of the dialogue, at which it refused last")
    code: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[str] = mapped_column(Text, comment="the enhanced status, or empty")
    reply: Mapped[str] = mapped_column(Text)
    replied_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    probes: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    probe_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), comment="when one message may try")


class Suppression(Base):
    """RECORD: an address to which nothing goes until somebody lifts it: it was refused, or somebody listed it."""

    __tablename__ = "suppressions"
    __table_args__ = (
        UniqueConstraint("channel", "address", name="suppressions_one_per_address"),
        Index("suppressions_suppressed_at", "suppressed_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, comment="of the message that was refused")
    channel: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, comment="the provider's reply")
    suppressed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Erasure(Base):
    """RECORD: who was erased, for ever, under every id that they had."""

    __tablename__ = "erasures"

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    erased_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class InboxMessage(Base):
    """RECORD: a message in the inbox of the company's own app."""

    __tablename__ = "inbox_messages"
    __table_args__ = (
        Index(
            "inbox_messages_of_customer",
            "profile_id",
            "created_at",
            "id",
            postgresql_where=text("dismissed_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, comment="of the message")
    profile_id: Mapped[UUID] = mapped_column(Uuid)
    subject: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    read_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="the first time")
    dismissed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Ledger(Base):
    """RECORD: its one row says which database the record of sends lies in, and what of it can't be trusted."""

    __tablename__ = "ledger"
    __table_args__ = (CheckConstraint("single", name="ledger_single_row"),)

    single: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("true"))
    system_identifier: Mapped[int] = mapped_column(BigInteger)
    timeline_id: Mapped[int] = mapped_column(BigInteger)
    database_oid: Mapped[int] = mapped_column(BigInteger)
    send_cutoff: Mapped[datetime | None] = mapped_column(
        "floor", DateTime(timezone=True), comment="what could have been answered before it is never sent"
    )
    awaiting_since: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="since when nothing leaves until a floor is set"
    )
    reason: Mapped[str | None] = mapped_column(Text, comment="why a floor is awaited")


mechanism_tables(Base.metadata)
