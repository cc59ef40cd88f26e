"""The configuration of segment: what every service needs, and nothing more."""

from shared.service.settings import Settings


class SegmentSettings(Settings):
    """Environment variables of the segment service."""
