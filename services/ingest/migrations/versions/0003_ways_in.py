"""Sources with many keys, limits, words of their own and plans; what a refused event needs to be judged again."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0003"
down_revision = "0002"

NOW = text("now()")


def upgrade() -> None:
    """Adds columns with constant defaults, which PostgreSQL does not write out, and tables."""
    _sources()
    _quarantine()
    _plans()
    _figures()
    _tail()
    _owners()
    _imports()


def _sources() -> None:
    for column in (
        Column("version", Integer, nullable=False, server_default="1"),
        Column("format", Text, nullable=False, server_default="tracking", comment="how its payloads are written"),
        Column("secret", LargeBinary, comment="signs its webhooks; encrypted with SECRETS_KEY"),
        Column("allowed_origins", ARRAY(Text), nullable=False, server_default="{}"),
        Column("events_per_second", Integer, comment="no limit if empty; of each process"),
        Column("ce_source", Text, comment="the CloudEvents source under which its events come by Kafka"),
        Column("renaming", JSONB, comment="its own words for events and properties"),
        Column("mapping", JSONB, comment="how its generic payloads become events"),
        Column("plan_version", Integer, comment="the plan in force"),
        Column("last_seen_at", DateTime(timezone=True)),
    ):
        op.add_column("sources", column)
    op.create_index("sources_ce_source", "sources", ["ce_source"], unique=True)
    # A release of before this one makes sources with a key of their own only: the trigger keeps both true.
    op.create_table(
        "write_keys",
        Column("key_hash", LargeBinary, primary_key=True, comment="SHA-256 of the write key"),
        Column("source_id", Uuid, ForeignKey("sources.id"), nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("expires_at", DateTime(timezone=True), comment="after a rotation"),
    )
    op.create_index("write_keys_source_id", "write_keys", ["source_id"])
    op.execute("INSERT INTO write_keys (key_hash, source_id, created_at) SELECT key_hash, id, created_at FROM sources")
    op.execute(
        "CREATE FUNCTION keep_write_key() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO write_keys (key_hash, source_id, created_at) VALUES (new.key_hash, new.id, new.created_at) "
        "ON CONFLICT DO NOTHING; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER sources_keep_write_key AFTER INSERT ON sources FOR EACH ROW EXECUTE FUNCTION keep_write_key()"
    )


def _quarantine() -> None:
    for column in (
        Column("way", Text, nullable=False, server_default="tracking", comment="how it came in"),
        Column("around", JSONB, nullable=False, server_default="{}", comment="what stood around it in its request"),
        Column("state", Text, nullable=False, server_default="held", comment="held, released or dropped"),
        Column("decided_at", DateTime(timezone=True)),
        Column("decided_by", Text),
        Column("note", Text),
        Column("import_id", Uuid),
        Column("import_row", BigInteger),
    ):
        op.add_column("quarantine", column)
    op.create_index("quarantine_import", "quarantine", ["import_id", "import_row"])


def _plans() -> None:
    op.create_table(
        "plans",
        Column("source_id", Uuid, ForeignKey("sources.id"), primary_key=True),
        Column("version", Integer, primary_key=True),
        Column("document", JSONB, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("created_by", Text, nullable=False),
    )
    op.create_table(
        "violations",
        Column("source_id", Uuid, ForeignKey("sources.id"), primary_key=True),
        Column("day", Date, primary_key=True),
        Column("event", Text, primary_key=True),
        Column("rule", Text, primary_key=True, comment="where, and which word of the schema"),
        Column("mode", Text, nullable=False),
        Column("events", BigInteger, nullable=False),
        Column("last_at", DateTime(timezone=True), nullable=False),
        Column("said", Text, nullable=False, comment="of the last one"),
    )
    op.create_table(
        "shapes",
        Column("source_id", Uuid, ForeignKey("sources.id"), primary_key=True),
        Column("event", Text, primary_key=True),
        Column("shape", JSONB, nullable=False, comment="of the properties seen, as far as they were sampled"),
        Column("first_at", DateTime(timezone=True), nullable=False),
        Column("last_at", DateTime(timezone=True), nullable=False),
    )


def _figures() -> None:
    op.create_table(
        "source_figures",
        Column("source_id", Uuid, ForeignKey("sources.id"), primary_key=True),
        Column("day", Date, primary_key=True),
        Column("outcome", Text, primary_key=True, comment="accepted, duplicate, quarantined, ignored, limited"),
        Column("reason", Text, primary_key=True),
        Column("events", BigInteger, nullable=False),
    )


def _tail() -> None:
    op.create_table(
        "tails",
        Column("source_id", Uuid, ForeignKey("sources.id"), primary_key=True),
        Column("until", DateTime(timezone=True), nullable=False),
    )
    op.execute(
        "CREATE UNLOGGED TABLE tail_events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
        "source_id uuid NOT NULL, at timestamptz NOT NULL, said json NOT NULL)"
    )
    op.create_index("tail_events_source_id", "tail_events", ["source_id", "id"])


def _owners() -> None:
    op.create_table(
        "order_owners",
        Column("source_id", Uuid, ForeignKey("sources.id"), primary_key=True),
        Column("name", Text, primary_key=True),
        Column("order_id", Text, nullable=False),
        Column("identities", JSONB, nullable=False),
    )


def _imports() -> None:
    op.create_table(
        "imports",
        Column("id", Uuid, primary_key=True),
        Column("source_id", Uuid, ForeignKey("sources.id"), nullable=False),
        Column("name", Text, nullable=False, comment="of the file"),
        Column("content_hash", LargeBinary, nullable=False, comment="SHA-256 of the file"),
        Column("bytes", BigInteger, nullable=False),
        Column("options", JSONB, nullable=False, comment="format, mapping, historical, dry run"),
        Column("state", Text, nullable=False, comment="uploading, waiting, running, done or failed"),
        Column("next_row", BigInteger, nullable=False, server_default="0"),
        Column("events", BigInteger, nullable=False, server_default="0"),
        Column("refused", BigInteger, nullable=False, server_default="0"),
        Column("error", Text),
        Column("created_by", Text, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("changed_at", DateTime(timezone=True), nullable=False),
        Column("holder", Uuid, comment="the process that works on it"),
        Column("held_until", DateTime(timezone=True)),
        Column("uploaded", Boolean, nullable=False, server_default=text("false"), comment="its bytes are kept here"),
        Index("imports_created_at", "created_at", "id"),
    )
    op.create_table(
        "import_rejects",
        Column("import_id", Uuid, ForeignKey("imports.id"), primary_key=True),
        Column("row", BigInteger, primary_key=True),
        Column("reason_code", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("raw", LargeBinary, nullable=False),
    )
    op.create_table(
        "import_chunks",
        Column("import_id", Uuid, ForeignKey("imports.id"), primary_key=True),
        Column("number", Integer, primary_key=True),
        Column("content", LargeBinary, nullable=False),
    )
