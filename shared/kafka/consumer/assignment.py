"""Which partitions a process has, and where it stands in each."""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from aiokafka import TopicPartition

from shared.kafka.consumer.batch import OwnedPartition

FAILING: Final = 3  # batches in a row, after which it is told: one or two fail of a deadlock, or of a new holder
PAUSES_SECONDS: Final = (0.1, 0.3, 1.0, 2.0, 5.0)

End = Callable[[TopicPartition], int | None]


def pause_seconds(failures: int) -> float:
    """Returns how long to wait after so many failures in a row, at least one."""
    return PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS)) - 1]


class Assignment:
    """The partitions of one process.

    One that the broker has assigned is held, or given up for a pause after a failure, or was not taken yet; none is
    held and given up at once. `cluster_id` says in whose log the offsets lie. `compared` says that the database was
    compared with what Kafka knows since a partition was last taken.
    """

    def __init__(self) -> None:
        self.cluster_id = ""
        self.compared = False
        self.held: dict[TopicPartition, OwnedPartition] = {}
        self._given_up: dict[TopicPartition, int] = {}  # the next offset to read
        self._failures: dict[TopicPartition, int] = {}
        self._not_before: dict[TopicPartition, float] = {}

    def add(self, partition: TopicPartition, held: OwnedPartition) -> None:
        """Notes that it is held from now on."""
        self.held[partition] = held
        self._given_up.pop(partition, None)

    def drop(self, partition: TopicPartition) -> None:
        """Lets go of it; it is to be taken again at once, if it is still assigned."""
        self.held.pop(partition, None)

    def give_up(self, partition: TopicPartition, *, now: float) -> float:
        """Lets go of it for a pause. Returns of how many seconds; until then its records wait all the same."""
        failures = self._failures[partition] = self._failures.get(partition, 0) + 1
        pause = pause_seconds(failures)
        self.postpone([partition], until=now + pause)
        if (held := self.held.pop(partition, None)) is not None:
            self._given_up[partition] = held.expected
        return pause

    def postpone(self, partitions: Iterable[TopicPartition], *, until: float) -> None:
        """Notes that they are not to be taken before this time of the loop's clock."""
        self._not_before |= dict.fromkeys(partitions, until)

    def applied(self, partition: TopicPartition) -> None:
        """Notes that its failures, if there were any, are over."""
        self._failures.pop(partition, None)

    def revoke(self, partitions: Iterable[TopicPartition]) -> None:
        """Notes that they belong to another process now."""
        for partition in partitions:
            self.held.pop(partition, None)
            self._given_up.pop(partition, None)
            self._failures.pop(partition, None)

    def missing(self, assigned: Collection[TopicPartition], *, now: float) -> list[TopicPartition]:
        """Returns the assigned ones that are to be taken now. What is assigned no more is let go."""
        self.revoke([partition for partition in self.positions() if partition not in assigned])
        return [p for p in assigned if p not in self.held and self._not_before.get(p, 0) <= now]

    def clear(self) -> None:
        """Lets go of all: nothing is held without a client. Pauses and failures stay."""
        self.held.clear()
        self._given_up.clear()

    def positions(self) -> dict[TopicPartition, int]:
        """Returns the next offset of each partition, those that are given up for a while among them."""
        return self._given_up | {partition: held.expected for partition, held in self.held.items()}

    def waiting(self, end: End) -> dict[TopicPartition, int | None]:
        """Returns the records that wait in each partition, None where that is not known.

        It is not if nobody knows where the log ends, nor if it seems to end before what was read: that may be
        another log.
        """
        return {partition: _between(position, end(partition)) for partition, position in self.positions().items()}

    def lag(self, end: End) -> int | None:
        """Records that wait, for an operator as well; None if that is not known of every partition, or none is had."""
        waiting = self.waiting(end)
        known = [records for records in waiting.values() if records is not None]
        return sum(known) if waiting and len(known) == len(waiting) else None

    def is_behind(self, end: End) -> bool:
        """Returns whether records wait for this process. Those of a stopped partition wait for an operator."""
        return any(
            records
            for partition, records in self.waiting(end).items()
            if partition not in self.held or not self.held[partition].stopped
        )

    def stopped(self) -> list[str]:
        """Returns the partitions that wait for an operator, each with its reason."""
        return sorted(
            f"{held.place.topic}/{held.place.partition}: {held.stopped}" for held in self.held.values() if held.stopped
        )

    def stopped_partitions(self) -> list[str]:
        """Returns the partitions that wait for an operator, by name alone."""
        return sorted(f"{held.place.topic}/{held.place.partition}" for held in self.held.values() if held.stopped)

    def failing(self) -> list[str]:
        """Returns the partitions whose batches fail again and again, each with how often in a row."""
        return sorted(
            f"{partition.topic}/{partition.partition}: {failures} batches in a row failed"
            for partition, failures in self._failures.items()
            if failures >= FAILING
        )


def _between(position: int, end: int | None) -> int | None:
    return None if end is None or end < position else end - position
