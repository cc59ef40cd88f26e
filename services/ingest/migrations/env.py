"""Alembic's entry for this service: see shared.migrate."""

from services.ingest.models import Base
from shared.migrate import run_migrations

run_migrations(Base.metadata)
