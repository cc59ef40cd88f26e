"""The tables of the mechanisms, which stand in every service's own database."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON


def mechanism_tables(metadata: MetaData) -> dict[str, Table]:
    """Adds the mechanisms' tables to a service's metadata: RECORD, with two exceptions.

    `outbox` and `published` empty themselves. `profile_aliases` is a PROJECTION: of the identity log at profile, of
    the topic of profiles elsewhere.
    """
    offsets = Table(
        "consumer_offsets",
        metadata,
        Column[str]("cluster_id", Text, primary_key=True),
        Column[str]("topic", Text, primary_key=True),
        Column[int]("generation", BigInteger, primary_key=True),
        Column[int]("partition", BigInteger, primary_key=True),
        Column[int]("epoch", BigInteger, nullable=False),
        Column[int]("next_offset", BigInteger, nullable=False),
        Column[int]("seen", BigInteger, nullable=False, server_default="0"),
        Column[int]("dead", BigInteger, nullable=False, server_default="0"),
        Column[str]("stopped", Text, comment="why an operator must look before this partition goes on"),
        Column[datetime]("caught_up_to", DateTime(timezone=True), comment="everything older has been read"),
    )
    marks = Table(
        "stream_marks",
        metadata,
        Column[str]("topic", Text, primary_key=True),
        Column[int]("partition", BigInteger, primary_key=True),
        Column[int]("origin", BigInteger, primary_key=True),
        Column[int]("sequence", BigInteger, nullable=False),
    )
    outbox = Table(
        "outbox",
        metadata,
        Column[int]("id", BigInteger, Identity(always=True), primary_key=True),
        Column[str]("topic", Text, nullable=False),
        Column[bytes]("key", LargeBinary, nullable=False),
        Column[dict[str, str]]("headers", JSON, nullable=False),
        Column[bytes]("value", LargeBinary, nullable=False),
    )
    published = Table(
        "published",
        metadata,
        Column[int]("id", BigInteger, primary_key=True, autoincrement=False, comment="that it had in the outbox"),
        Column[int]("number", BigInteger, Identity(always=True), nullable=False, comment="rises with each mark"),
        Column[str]("cluster_id", Text, nullable=False, comment="of the broker that acknowledged it"),
        Column[str]("topic", Text, nullable=False),
        Column[int]("partition", BigInteger, nullable=False),
        Column[int]("record_offset", BigInteger, nullable=False),
        Column[bytes]("key", LargeBinary, nullable=False),
        Column[dict[str, str]]("headers", JSON, nullable=False),
        Column[bytes]("value", LargeBinary, nullable=False),
    )
    lease = Table(
        "leases",
        metadata,
        Column[str]("name", Text, primary_key=True),
        Column[UUID]("holder", Uuid, nullable=False),
        Column[datetime]("expires_at", DateTime(timezone=True), nullable=False),
    )
    aliases = Table(
        "profile_aliases",
        metadata,
        Column[UUID]("profile_id", Uuid, primary_key=True),
        Column[UUID]("canonical_id", Uuid, nullable=False),
        Column[bool](
            "verified",
            Boolean,
            nullable=False,
            server_default=text("false"),
            comment="a customer's token for it opens who stands for it",
        ),
    )
    keys = Table(
        "idempotency_keys",
        metadata,
        Column[str]("key", Text, primary_key=True),
        Column[str]("fingerprint", Text, nullable=False),
        Column[UUID]("result", Uuid),
        Column[datetime]("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    )
    Index("profile_aliases_canonical_id", aliases.c.canonical_id)
    decisions = Table(
        "dead_letter_decisions",
        metadata,
        Column[str]("place", Text, primary_key=True),
        Column[str]("decision", Text, nullable=False, comment="refused, retried or dropped"),
        Column[datetime]("at", DateTime(timezone=True), nullable=False),
        Column[str]("by", Text, nullable=False),
        Column[str]("note", Text, nullable=False, comment="of a refusal, its reason"),
        Column[UUID]("event_id", Uuid, comment="what a retry applied: two letters may hold one event"),
    )
    Index("dead_letter_decisions_event_id", decisions.c.event_id, unique=True)
    audit_log = Table(
        "audit_log",
        metadata,
        Column[int]("sequence", BigInteger, primary_key=True, autoincrement=False),
        Column[datetime]("at", DateTime(timezone=True), nullable=False),
        Column[str]("subject", Text, nullable=False, comment="of the token, or the user who ran the command"),
        Column[str]("scopes", Text, nullable=False),
        Column[str]("action", Text, nullable=False),
        Column[str]("object_kind", Text, nullable=False),
        Column[str]("object_id", Text, nullable=False),
        Column[Any]("change", JSON, nullable=False, comment="without secrets and personal data"),
        Column[bytes]("previous", LargeBinary, nullable=False, comment="the hash of the entry before"),
        Column[bytes]("hash", LargeBinary, nullable=False, comment="of this entry and the one before"),
    )
    audit_head = Table(
        "audit_head",
        metadata,
        Column[bool]("single", Boolean, primary_key=True, server_default=text("true")),
        Column[int]("sequence", BigInteger, nullable=False),
        Column[bytes]("hash", LargeBinary, nullable=False),
        CheckConstraint("single", name="audit_head_single_row"),
    )
    blocked = Table(
        "blocked_sources",
        metadata,
        Column[str]("source", Text, primary_key=True),
        Column[datetime]("at", DateTime(timezone=True), nullable=False),
        Column[str]("cause", Text, nullable=False, comment="of most of its refusals: unreadable, refused or fault"),
        Column[str]("reason", Text, nullable=False, comment="of the last one"),
        Column[int]("refused", BigInteger, nullable=False, comment="refusals that had it blocked"),
    )
    refusals = Table(
        "refusal_counts",
        metadata,
        Column[str]("cluster_id", Text, primary_key=True),
        Column[str]("topic", Text, primary_key=True),
        Column[int]("generation", BigInteger, primary_key=True),
        Column[int]("partition", BigInteger, primary_key=True),
        Column[str]("source", Text, primary_key=True),
        Column[str]("cause", Text, primary_key=True),
        Column[int]("era", BigInteger, nullable=False, comment="the window in which it was counted last"),
        Column[int]("refused", BigInteger, nullable=False),
    )
    tables = (
        offsets,
        marks,
        outbox,
        published,
        lease,
        aliases,
        keys,
        decisions,
        audit_log,
        audit_head,
        blocked,
        refusals,
    )
    return {table.name: table for table in tables}
