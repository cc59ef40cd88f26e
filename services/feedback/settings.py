"""The configuration of feedback: what every service needs, and nothing more."""

from shared.service.settings import Settings


class FeedbackSettings(Settings):
    """Environment variables of the feedback service."""
