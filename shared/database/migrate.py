"""Migrations: Alembic, one history per service, run under a lock so that two starts do not race."""

import asyncio
from pathlib import Path
from types import ModuleType
from typing import Final

from alembic import command, context
from alembic.config import Config
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Identity,
    LargeBinary,
    MetaData,
    Text,
    Uuid,
    inspect,
    text,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.database.url import connect_arguments
from shared.service.failpoints import failpoint

LOCK: Final = 0x5261_7070  # any number that nobody else locks
LOCK_SECONDS: Final = 5  # a migration that waits longer than this for a table would stop the service: try later

ROOT: Final = Path(__file__).resolve().parents[2]


def configuration(service: str) -> Config:
    """Alembic's configuration for a service's own migrations."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "services" / service / "migrations"))
    return config


def role_of(database_url: str) -> str:
    """Returns the role that a URL logs in as."""
    return make_url(database_url).username or ""


async def upgrade(service: str, database_url: str, *, user: str = "", version: str = "head") -> None:
    """Brings a service's database to a version, by default the newest. Idempotent.

    Where `user`, the role that the service runs as, is another than the URL's, it may read and write all tables
    afterwards, of this version and of later ones, and change none.
    """
    address, tls = connect_arguments(database_url)
    engine = create_async_engine(
        address,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"server_settings": {"statement_timeout": "0"}, **tls},  # the whole has a deadline of its own
    )
    try:
        async with engine.connect() as connection, asyncio.timeout(60):
            await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
            await connection.execute(text(f"SET lock_timeout = '{LOCK_SECONDS}s'"))
            await connection.commit()
            await connection.run_sync(_upgrade, service, version)
            if user and user != role_of(database_url):
                await connection.run_sync(_grant, user)
            await connection.commit()
            failpoint("migrate.after_upgrade")
    finally:
        await engine.dispose()


def _grant(connection: Connection, user: str) -> None:
    role = connection.dialect.identifier_preparer.quote(user)
    versions = inspect(connection).has_table("alembic_version")  # a service without migrations has none
    for statement in (
        "GRANT USAGE ON SCHEMA public TO {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        *(["REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}"] if versions else []),
        "GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {role}",
    ):
        connection.execute(text(statement.format(role=role)))


def _upgrade(connection: Connection, service: str, version: str) -> None:
    config = configuration(service)
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def run_migrations(metadata: MetaData) -> None:
    """Runs migrations on the connection that `upgrade` holds; every `migrations/env.py` calls it."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def create_mechanism_tables(op: ModuleType) -> None:
    """Creates the mechanisms' tables, in each service's first migration. Never changed: later ones alter."""
    op.create_table(
        "consumer_offsets",
        Column("cluster_id", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("generation", BigInteger, primary_key=True),
        Column("partition", BigInteger, primary_key=True),
        Column("epoch", BigInteger, nullable=False),
        Column("next_offset", BigInteger, nullable=False),
        Column("seen", BigInteger, nullable=False, server_default="0"),
        Column("dead", BigInteger, nullable=False, server_default="0"),
        Column("stopped", Text, comment="why an operator must look before this partition goes on"),
        Column("caught_up_to", DateTime(timezone=True), comment="everything older has been read"),
    )
    op.create_table(
        "stream_marks",
        Column("topic", Text, primary_key=True),
        Column("partition", BigInteger, primary_key=True),
        Column("origin", BigInteger, primary_key=True),
        Column("sequence", BigInteger, nullable=False),
    )
    op.create_table(
        "outbox",
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("topic", Text, nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("headers", JSON, nullable=False),
        Column("value", LargeBinary, nullable=False),
    )
    op.create_table(
        "leases",
        Column("name", Text, primary_key=True),
        Column("holder", Uuid, nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "profile_aliases",
        Column("profile_id", Uuid, primary_key=True),
        Column("canonical_id", Uuid, nullable=False),
    )
    op.create_index("profile_aliases_canonical_id", "profile_aliases", ["canonical_id"])
    op.create_table(
        "idempotency_keys",
        Column("key", Text, primary_key=True),
        Column("fingerprint", Text, nullable=False),
        Column("result", Uuid),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    )
    # Both tables are queues or counters: vacuum them often, or their dead rows slow every look.
    for busy in ("outbox", "consumer_offsets"):
        op.execute(
            f"ALTER TABLE {busy} SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000, "
            "autovacuum_vacuum_cost_delay = 0)"
        )


def add_verified_aliases(op: ModuleType) -> None:
    """Adds which former ids a customer's token may name. Those of before are not known to be any: they open nothing."""
    op.add_column(
        "profile_aliases",
        Column(
            "verified",
            Boolean,
            nullable=False,
            server_default=text("false"),
            comment="a customer's token for it opens who stands for it",
        ),
    )


def create_dead_letter_decisions(op: ModuleType) -> None:
    """Creates what became of each dead letter, in each service's second migration. Never changed, likewise."""
    op.create_table(
        "dead_letter_decisions",
        Column("place", Text, primary_key=True),
        Column("decision", Text, nullable=False, comment="refused, retried or dropped"),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("by", Text, nullable=False),
        Column("note", Text, nullable=False, comment="of a refusal, its reason"),
        Column("event_id", Uuid, comment="what a retry applied: two letters may hold one event"),
    )
    op.create_index("dead_letter_decisions_event_id", "dead_letter_decisions", ["event_id"], unique=True)


def create_audit_log(op: ModuleType) -> None:
    """Creates the audit log and the head of its chain, in a later migration of each service. Never changed."""
    op.create_table(
        "audit_log",
        Column("sequence", BigInteger, primary_key=True, autoincrement=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("subject", Text, nullable=False, comment="of the token, or the user who ran the command"),
        Column("scopes", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("object_kind", Text, nullable=False),
        Column("object_id", Text, nullable=False),
        Column("change", JSON, nullable=False, comment="without secrets and personal data"),
        Column("previous", LargeBinary, nullable=False, comment="the hash of the entry before"),
        Column("hash", LargeBinary, nullable=False, comment="of this entry and the one before"),
    )
    op.create_table(
        "audit_head",
        Column("single", Boolean, primary_key=True, server_default=text("true")),
        Column("sequence", BigInteger, nullable=False),
        Column("hash", LargeBinary, nullable=False),
        CheckConstraint("single", name="audit_head_single_row"),
    )
    op.execute("INSERT INTO audit_head (sequence, hash) VALUES (0, decode(repeat('00', 32), 'hex'))")


def create_published(op: ModuleType) -> None:
    """Creates what a broker that keeps nothing has acknowledged, until its readers have it. Never changed, likewise."""
    op.create_table(
        "published",
        Column("id", BigInteger, primary_key=True, autoincrement=False, comment="that it had in the outbox"),
        Column("number", BigInteger, Identity(always=True), nullable=False, comment="rises with each mark"),
        Column("cluster_id", Text, nullable=False, comment="of the broker that acknowledged it"),
        Column("topic", Text, nullable=False),
        Column("partition", BigInteger, nullable=False),
        Column("record_offset", BigInteger, nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("headers", JSON, nullable=False),
        Column("value", LargeBinary, nullable=False),
    )
    op.execute(
        "ALTER TABLE published SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000, "
        "autovacuum_vacuum_cost_delay = 0)"
    )


def create_blocked_sources(op: ModuleType) -> None:
    """Creates whose records a reader refuses, and whose it takes in no more, in one migration of each service."""
    op.create_table(
        "blocked_sources",
        Column("source", Text, primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("cause", Text, nullable=False, comment="of most of its refusals: unreadable, refused or fault"),
        Column("reason", Text, nullable=False, comment="of the last one"),
        Column("refused", BigInteger, nullable=False, comment="refusals that had it blocked"),
    )
    op.create_table(
        "refusal_counts",
        Column("cluster_id", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("generation", BigInteger, primary_key=True),
        Column("partition", BigInteger, primary_key=True),
        Column("source", Text, primary_key=True),
        Column("cause", Text, primary_key=True),
        Column("era", BigInteger, nullable=False, comment="the window in which it was counted last"),
        Column("refused", BigInteger, nullable=False),
    )
