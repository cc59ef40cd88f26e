"""The tables that segment owns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, DateTime, Index, Integer, SmallInteger, Text, Uuid, text
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


mechanism_tables(Base.metadata)
