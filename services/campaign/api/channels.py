"""Which channels are set up here, for routes that take definitions."""

from typing import Annotated

from fastapi import Depends, Request

from services.campaign.service.rules import Rules


async def channels(request: Request) -> frozenset[str]:
    """Returns the names of the channels that are set up."""
    rules: Rules = request.app.state.rules
    return frozenset(rules.channels)


Channels = Annotated[frozenset[str], Depends(channels)]
