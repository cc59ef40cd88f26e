"""When a provider that refuses us is tried again, and what shows that it takes mail."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from services.campaign.domain.delivery import Accepted, Deferred, Lost, Rejected, Reply, Undeliverable, Withheld
from services.campaign.domain.provider import LONGEST_PAUSE, ProviderStop, pause, takes_mail_again
from services.campaign.domain.replies import ProviderReply, Stage

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


def reply(stage: Stage) -> ProviderReply:
    return ProviderReply(stage, 550, "", "no")


def stopped_at(stage: Stage) -> ProviderStop:
    return ProviderStop(channel="email", stopped_at=NOON, reply=reply(stage), replied_at=NOON, probes=0, probe_at=NOON)


def test_pauses_grow_up_to_a_bound() -> None:
    pauses = [pause(probes) for probes in range(50)]
    assert pauses[:4] == [timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


@pytest.mark.parametrize(
    ("probe", "again"),
    [
        (Accepted(), True),
        (Undeliverable(reply(Stage.END_OF_DATA)), True),
        (Undeliverable(reply(Stage.RCPT)), False),
        (Rejected("content", Stage.END_OF_DATA), True),
        (Rejected("an address that is none"), False),
        (Deferred("greylisted", stage=Stage.RCPT), False),
        (Deferred("busy", stage=Stage.END_OF_DATA), True),
        (Deferred("away", counted=False), False),
        (Withheld(reply(Stage.END_OF_DATA)), False),
        (Lost("no answer"), False),
    ],
)
def test_a_provider_takes_mail_again_once_a_probe_came_further_than_the_refusal(probe: Reply, again: bool) -> None:
    assert takes_mail_again(stopped_at(Stage.RCPT), probe) is again
