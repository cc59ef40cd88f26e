"""The configuration of profile: what every service needs, and nothing more."""

from shared.settings import Settings


class ProfileSettings(Settings):
    """Environment variables of the profile service."""
