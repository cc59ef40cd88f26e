"""Bugs that a checker has to find, each put into a service at its composition root."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from shared.service.process import Service
from tests.faults.planted import campaign, ingest, profile, reading, segment

READER: Final = ("ingest", "profile", "tally")
SEGMENTS: Final = ("ingest", "profile", "segment")
SENDER: Final = ("ingest", "profile", "segment", "campaign")
NOTHING_ELSE: Final[Mapping[str, str]] = {}
SLOW_COMMITS: Final[Mapping[str, str]] = {"FAULTS_SLOW_COMMITS": "yes"}
SLOW_READS: Final[Mapping[str, str]] = {"FAULTS_SLOW_READS": "yes"}


class Plant(NamedTuple):
    """One bug: where it is put, the rule that it breaks, the drill that brings it out, and what that needs."""

    service: str
    rule: str
    drill: str
    needs: tuple[str, ...]
    put_in: Callable[[Service], None]
    failpoint: str = ""
    circumstances: Mapping[str, str] = NOTHING_ELSE  # environment variables, under which a healthy service does well


BETWEEN: Final = "planted.between"

PLANTS: Final[Mapping[str, Plant]] = {
    "offset after the effects, in another transaction": Plant(
        "tally", "kept", "reader dies", READER, reading.offset_afterwards, BETWEEN
    ),
    "offset before the effects, as auto-commit does": Plant(
        "tally", "kept", "reader dies", READER, reading.offset_before, BETWEEN
    ),
    "epoch and offset not checked": Plant(
        "tally", "kept", "frozen reader", READER, reading.unchecked_epoch, circumstances=SLOW_READS
    ),
    "lane marks not looked at": Plant("tally", "kept", "relay dies", READER, reading.no_marks),
    "dead letters not written": Plant("tally", "dead-letters", "poison", READER, reading.no_letters),
    "events not deduped": Plant("profile", "kept", "traffic", READER, profile.no_dedupe),
    "the last to arrive wins": Plant("profile", "rebuilt", "traffic", READER, profile.last_arrival),
    "outbox rows deleted before they are acknowledged": Plant(
        "profile", "kept", "relay dies", READER, profile.forgetful_relay, BETWEEN
    ),
    "an outbox polled by id": Plant(
        "profile", "drained", "traffic", READER, profile.polling_relay, circumstances=SLOW_COMMITS
    ),
    "a 200 before the broker's": Plant("ingest", "kept", "door dies", READER, ingest.early_answer),
    "a new event id at each call": Plant("ingest", "nothing-invented", "traffic", READER, ingest.random_ids),
    "a membership that is due not looked at": Plant("segment", "rebuilt", "silence", SEGMENTS, segment.forgotten_due),
    "a backfill that passes over whom it knows": Plant(
        "segment", "rebuilt", "new definitions", SEGMENTS, segment.hasty_backfill
    ),
    "the gate run at selection": Plant("campaign", "consent", "consent", SENDER, campaign.early_gate),
    "marked as sending after the provider was asked": Plant(
        "campaign", "once", "sender dies", SENDER, campaign.late_mark
    ),
    "unknown messages sent again": Plant("campaign", "once", "sender dies", SENDER, campaign.unknown_again),
}
