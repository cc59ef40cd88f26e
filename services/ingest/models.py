"""The tables that ingest owns."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, DateTime, ForeignKey, Index, LargeBinary, Text, Uuid, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.tables import mechanism_tables


class Base(DeclarativeBase):
    """This service's tables."""


class Source(Base):
    """RECORD: one sender of events. Its write key is kept as a hash only."""

    __tablename__ = "sources"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    kind: Mapped[str] = mapped_column(Text, comment="public or server")
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True, comment="SHA-256 of the write key")
    allow_orders: Mapped[bool] = mapped_column(
        Boolean, server_default=text("false"), comment="believe a public key when it speaks of orders"
    )
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    disabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Quarantined(Base):
    """RECORD: one event that was refused, as it came. Its id is made of source and bytes: a retry adds nothing."""

    __tablename__ = "quarantine"
    __table_args__ = (
        Index("quarantine_received_at", "received_at", "id"),
        Index("quarantine_reason_code", "reason_code", "received_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    source_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("sources.id"))
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    reason_code: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    message_id: Mapped[str | None] = mapped_column(Text)


mechanism_tables(Base.metadata)
