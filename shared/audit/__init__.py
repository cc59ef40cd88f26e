"""The audit log: who changed which definition, in one hash chain a service."""

from shared.audit.chain import Actor, Entry, difference, digest
from shared.audit.log import record

__all__ = ["Actor", "Entry", "difference", "digest", "record"]
