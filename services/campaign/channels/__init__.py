"""Channels: where campaign talks to the outside world, and nowhere else.

This room is campaign's own, beside the rooms that all services share. A channel does I/O and decides nothing: it
hands one message over and says what came of it (`domain/delivery.py`). Its one duty is never to deny a message that
the provider may have.
"""

from services.campaign.channels.channel import Channel
from services.campaign.channels.registry import channels

__all__ = ["Channel", "channels"]
