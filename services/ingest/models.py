"""The tables that ingest owns."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.database.tables import mechanism_tables


class Base(DeclarativeBase):
    """This service's tables."""


class Source(Base):
    """RECORD: one sender of events. Its write keys are kept as hashes only, its webhook secret encrypted."""

    __tablename__ = "sources"
    __table_args__ = (Index("sources_ce_source", "ce_source", unique=True),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    kind: Mapped[str] = mapped_column(Text, comment="public or server")
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True, comment="SHA-256 of the write key")
    allow_orders: Mapped[bool] = mapped_column(
        Boolean, server_default=text("false"), comment="believe a public key when it speaks of orders"
    )
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    disabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    format: Mapped[str] = mapped_column(Text, server_default="tracking", comment="how its payloads are written")
    secret: Mapped[bytes | None] = mapped_column(LargeBinary, comment="signs its webhooks; encrypted with SECRETS_KEY")
    allowed_origins: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    events_per_second: Mapped[int | None] = mapped_column(Integer, comment="no limit if empty; of each process")
    ce_source: Mapped[str | None] = mapped_column(
        Text, comment="the CloudEvents source under which its events come by Kafka"
    )
    renaming: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="its own words for events and properties")
    mapping: Mapped[dict[str, Any] | None] = mapped_column(JSONB, comment="how its generic payloads become events")
    may_say: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default="{}", comment="what a public key may say beside behaviour: addresses, consent"
    )
    consent_words: Mapped[Any | None] = mapped_column(JSONB, comment="which traits mean consent; usual, or its own")
    country: Mapped[str | None] = mapped_column(
        Text, comment="by which its national phone numbers are read; ISO 3166-1 alpha-2"
    )
    id_space: Mapped[str] = mapped_column(
        Text, server_default=text("''"), comment="in which its ids of customers and orders live"
    )
    max_batch_bytes: Mapped[int | None] = mapped_column(Integer, comment="of a batch; the service's default if empty")
    max_event_bytes: Mapped[int | None] = mapped_column(Integer, comment="of an event; the service's default if empty")
    plan_version: Mapped[int | None] = mapped_column(Integer, comment="the plan in force")
    last_seen_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class WriteKey(Base):
    """RECORD: a key that a source may use; after a rotation the old key works for a while yet."""

    __tablename__ = "write_keys"
    __table_args__ = (Index("write_keys_source_id", "source_id"),)

    key_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True, comment="SHA-256 of the write key")
    source_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("sources.id"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), comment="after a rotation")


class Quarantined(Base):
    """RECORD: one event that was refused, as it came. Its id is made of source and bytes: a retry adds nothing."""

    __tablename__ = "quarantine"
    __table_args__ = (
        Index("quarantine_received_at", "received_at", "id"),
        Index("quarantine_reason_code", "reason_code", "received_at", "id"),
        Index("quarantine_import", "import_id", "import_row"),
        Index("quarantine_waits_for", "waits_for", postgresql_where=text("state = 'held' AND waits_for IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    source_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("sources.id"))
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    reason_code: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    message_id: Mapped[str | None] = mapped_column(Text)
    way: Mapped[str] = mapped_column(Text, server_default="tracking", comment="how it came in")
    around: Mapped[dict[str, Any]] = mapped_column(
        JSONB, server_default="{}", comment="what stood around it in its request"
    )
    state: Mapped[str] = mapped_column(Text, server_default="held", comment="held, released or dropped")
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    decided_by: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    import_id: Mapped[UUID | None] = mapped_column(Uuid)
    import_row: Mapped[int | None] = mapped_column(BigInteger)
    waits_for: Mapped[str | None] = mapped_column(Text, comment="the order whose customer is not known yet")


class Plan(Base):
    """RECORD: a version of a source's tracking plan."""

    __tablename__ = "plans"

    source_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("sources.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    created_by: Mapped[str] = mapped_column(Text)


class Violation(Base):
    """RECORD: how often events of a source broke its plan, by day and by what was wrong."""

    __tablename__ = "violations"

    source_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("sources.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    event: Mapped[str] = mapped_column(Text, primary_key=True)
    rule: Mapped[str] = mapped_column(Text, primary_key=True, comment="where, and which word of the schema")
    mode: Mapped[str] = mapped_column(Text)
    events: Mapped[int] = mapped_column(BigInteger)
    last_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    said: Mapped[str] = mapped_column(Text, comment="of the last one")


class Shape(Base):
    """RECORD: what the properties of a source's events looked like; a plan can be inferred from it."""

    __tablename__ = "shapes"

    source_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("sources.id"), primary_key=True)
    event: Mapped[str] = mapped_column(Text, primary_key=True)
    shape: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="of the properties seen, as far as they were sampled")
    first_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Figure(Base):
    """RECORD: what became of a source's events, by day."""

    __tablename__ = "source_figures"

    source_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("sources.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    outcome: Mapped[str] = mapped_column(
        Text, primary_key=True, comment="accepted, duplicate, quarantined, ignored, limited"
    )
    reason: Mapped[str] = mapped_column(Text, primary_key=True)
    events: Mapped[int] = mapped_column(BigInteger)


class Tail(Base):
    """RECORD: a source that somebody watches, and until when."""

    __tablename__ = "tails"

    source_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("sources.id"), primary_key=True)
    until: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class TailEvent(Base):
    """RECORD: kept for a minute, and not through a crash: what a watched source sent, and what was made of it."""

    __tablename__ = "tail_events"
    __table_args__ = (Index("tail_events_source_id", "source_id", "id"), {"prefixes": ["UNLOGGED"]})

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    source_id: Mapped[UUID] = mapped_column(Uuid)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    said: Mapped[dict[str, Any]] = mapped_column(JSON)


class OrderOwner(Base):
    """RECORD: whose an order is, of shops whose webhooks name the customer once, and not with the order's refunds."""

    __tablename__ = "order_owners"

    source_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("sources.id"), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)  # what a payload calls the order: its payment's id, say
    order_id: Mapped[str] = mapped_column(Text)
    identities: Mapped[list[Any]] = mapped_column(JSONB)


class FactKey(Base):
    """RECORD: the body sent under an idempotency key of a typed route, for `KEYS_KEPT`. The key made the event's id."""

    __tablename__ = "fact_keys"
    __table_args__ = (Index("fact_keys_at", "at"),)

    event_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary, comment="of the body that was taken under the key")
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Import(Base):
    """RECORD: a file that is, or was, being imported, and how far that has come."""

    __tablename__ = "imports"
    __table_args__ = (Index("imports_created_at", "created_at", "id"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    source_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("sources.id"))
    name: Mapped[str] = mapped_column(Text, comment="of the file")
    content_hash: Mapped[bytes] = mapped_column(LargeBinary, comment="SHA-256 of the file")
    bytes: Mapped[int] = mapped_column(BigInteger)
    options: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="format, mapping, historical, dry run")
    state: Mapped[str] = mapped_column(Text, comment="uploading, waiting, running, done or failed")
    next_row: Mapped[int] = mapped_column(BigInteger, server_default="0")
    events: Mapped[int] = mapped_column(BigInteger, server_default="0")
    refused: Mapped[int] = mapped_column(BigInteger, server_default="0")
    error: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    holder: Mapped[UUID | None] = mapped_column(Uuid, comment="the process that works on it")
    held_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    uploaded: Mapped[bool] = mapped_column(Boolean, server_default=text("false"), comment="its bytes are kept here")
    interrupted: Mapped[int] = mapped_column(
        Integer, server_default="0", comment="ends of its processes without a word, since it last came on"
    )


class ImportReject(Base):
    """RECORD: a row, or a group of rows, that could not be imported, and why."""

    __tablename__ = "import_rejects"

    import_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("imports.id"), primary_key=True)
    row: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    reason_code: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    raw: Mapped[bytes] = mapped_column(LargeBinary)


class ImportChunk(Base):
    """RECORD: until its import is done, a part of an uploaded file."""

    __tablename__ = "import_chunks"

    import_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("imports.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


mechanism_tables(Base.metadata)
