"""The tables that feedback owns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, DateTime, ForeignKey, Index, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.database.tables import mechanism_tables


class Base(DeclarativeBase):
    """This service's tables."""


class Response(Base):
    """RECORD: one response. Its id is the id of its event, so that an event that comes twice is stored once."""

    __tablename__ = "responses"
    __table_args__ = (
        Index("responses_survey_occurred_at", "survey", "occurred_at"),
        Index("responses_profile_id", "profile_id"),
        Index("responses_unsolicited", "received_at", "id", postgresql_where=text("unsolicited IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    survey: Mapped[str] = mapped_column(Text)
    rating: Mapped[int] = mapped_column(SmallInteger)
    text: Mapped[str] = mapped_column(Text)
    order_id: Mapped[str | None] = mapped_column(Text)
    identities: Mapped[list[Any]] = mapped_column(JSONB, comment="who said so, until the profile is known")
    profile_id: Mapped[UUID | None] = mapped_column(Uuid)
    unsolicited: Mapped[str | None] = mapped_column(Text, comment="why it counts in nothing; empty if it counts")
    published_here: Mapped[bool] = mapped_column(Boolean, comment="False for answers that arrived by ingest")
    occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Occasion(Base):
    """RECORD: what was answered by somebody whose word counts once: for an order, or for a day."""

    __tablename__ = "occasions"

    occasion: Mapped[str] = mapped_column(Text, primary_key=True, comment="an order, or a day, and a survey")
    response_id: Mapped[UUID] = mapped_column(Uuid, comment="the answer that counts")


class CustomerOrder(Base):
    """PROJECTION: whose an order is. The owner may have been merged since: see aliases."""

    __tablename__ = "customer_orders"

    order_id: Mapped[str] = mapped_column(Text, primary_key=True)
    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)


class Erasure(Base):
    """RECORD: who was erased, for ever, under every id that they had."""

    __tablename__ = "erasures"

    profile_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    erased_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Case(Base):
    """RECORD: somebody has to act on a response."""

    __tablename__ = "cases"
    __table_args__ = (Index("cases_status_opened_at", "status", "opened_at", "id"),)

    id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("responses.id"), primary_key=True)
    status: Mapped[str] = mapped_column(Text, server_default=text("'open'"))
    reason: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    closed_by: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text, server_default=text("''"))


mechanism_tables(Base.metadata)
