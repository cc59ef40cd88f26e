"""Alembic's entry for this service: see shared.database.migrate."""

from services.profile.models import Base
from shared.database.migrate import run_migrations

run_migrations(Base.metadata)
