"""What a process holds of its partitions, and what it says of them, whatever happens to them."""

from dataclasses import dataclass

from aiokafka import TopicPartition
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.kafka.consumer.assignment import PAUSES_SECONDS, Assignment
from shared.kafka.consumer.batch import OwnedPartition
from shared.kafka.consumer.offsets import Place

PARTITIONS = [TopicPartition("orders", number) for number in range(4)]


@dataclass
class Known:
    """What the model knows of one partition."""

    end: int = 0
    position: int | None = None  # None while it was not taken, or was let go
    held: bool = False
    stopped: bool = False
    failures: int = 0
    not_before: float = 0.0

    def forget(self) -> None:
        """Another process has it, or nobody."""
        self.position, self.held, self.stopped = None, False, False


class HoldingsMachine(RuleBasedStateMachine):
    """Partitions come and go, are read, fail and stop; a plain model says where each one stands."""

    def __init__(self) -> None:
        super().__init__()
        self.assignment = Assignment()
        self.known = {partition: Known() for partition in PARTITIONS}
        self.assigned: set[TopicPartition] = set()
        self.now = 0.0

    def _held(self) -> list[TopicPartition]:
        return [partition for partition, known in self.known.items() if known.held]

    @rule(partitions=st.sets(st.sampled_from(PARTITIONS)), heard=st.booleans())
    def the_broker_assigns(self, partitions: set[TopicPartition], heard: bool) -> None:
        gone = self.assigned - partitions
        self.assigned = partitions
        if heard:
            self.assignment.revoke(gone)
        else:  # after a failure nobody says what was revoked; the next look for missing ones finds it
            self.assignment.missing(partitions, now=self.now)
        for partition in gone:
            if heard or self.known[partition].position is not None:  # whoever has it now begins to count anew
                self.known[partition].failures = 0
            self.known[partition].forget()

    @rule()
    def the_client_is_built_anew(self) -> None:
        self.assignment.clear()
        self.assigned = set()
        for known in self.known.values():
            known.forget()

    @rule(seconds=st.floats(0, 10))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @rule(partition=st.sampled_from(PARTITIONS), records=st.integers(1, 5))
    def records_come(self, partition: TopicPartition, records: int) -> None:
        self.known[partition].end += records

    @rule(partition=st.sampled_from(PARTITIONS))
    def a_log_is_made_anew(self, partition: TopicPartition) -> None:
        self.known[partition].end = 0

    @rule(position=st.integers(0, 50))
    def what_is_missing_is_taken(self, position: int) -> None:
        missing = self.assignment.missing(self.assigned, now=self.now)
        wanted = {p for p in self.assigned if not self.known[p].held and self.known[p].not_before <= self.now}
        assert set(missing) == wanted
        for partition in missing:
            known = self.known[partition]
            known.position, known.held, known.stopped = min(position, known.end), True, False
            place = Place("cluster", 1, *partition)
            self.assignment.add(partition, OwnedPartition(place, 1, known.position, known.position))

    @precondition(lambda self: self._held())
    @rule(data=st.data())
    def a_batch_is_applied(self, data: st.DataObject) -> None:
        partition = data.draw(st.sampled_from(self._held()))
        known, held = self.known[partition], self.assignment.held[partition]
        held.expected = held.stored = known.position = max(known.end, held.expected)
        known.failures = 0
        self.assignment.applied(partition)

    @precondition(lambda self: self._held())
    @rule(data=st.data())
    def a_batch_is_given_up(self, data: st.DataObject) -> None:
        partition = data.draw(st.sampled_from(self._held()))
        known = self.known[partition]
        known.held, known.stopped, known.failures = False, False, known.failures + 1
        pause = self.assignment.give_up(partition, now=self.now)
        assert pause == PAUSES_SECONDS[min(known.failures, len(PAUSES_SECONDS)) - 1]
        known.not_before = self.now + pause

    @precondition(lambda self: self._held())
    @rule(data=st.data())
    def a_partition_stops(self, data: st.DataObject) -> None:
        partition = data.draw(st.sampled_from(self._held()))
        self.known[partition].stopped = True
        self.assignment.held[partition].stopped = "waits for somebody"

    @precondition(lambda self: self._held())
    @rule(data=st.data())
    def a_partition_is_to_be_taken_again(self, data: st.DataObject) -> None:
        partition = data.draw(st.sampled_from(self._held()))
        self.known[partition].forget()
        self.assignment.drop(partition)

    @invariant()
    def every_partition_stands_where_the_model_says(self) -> None:
        positions = {p: known.position for p, known in self.known.items() if known.position is not None}
        assert self.assignment.positions() == positions
        assert set(self.assignment.held) == set(self._held())

    @invariant()
    def the_lag_counts_all_that_waits_and_no_process_is_behind_for_an_operator(self) -> None:
        had = [known for known in self.known.values() if known.position is not None]
        waiting = [known.end - (known.position or 0) for known in had]
        known_of_all = had and min(waiting) >= 0  # a log that ends before what was read may be another one
        assert self.assignment.lag(lambda partition: self.known[partition].end) == (
            sum(waiting) if known_of_all else None
        )
        behind = any(known.end > (known.position or 0) for known in had if not known.stopped)
        assert self.assignment.is_behind(lambda partition: self.known[partition].end) == behind

    @invariant()
    def a_lag_is_not_known_while_the_end_of_one_log_is_not(self) -> None:
        had = [partition for partition, known in self.known.items() if known.position is not None]
        for unknown in had:
            ends = {p: known.end for p, known in self.known.items() if p != unknown}
            assert self.assignment.lag(ends.get) is None

    @invariant()
    def those_that_wait_for_an_operator_are_named(self) -> None:
        stopped = sorted(f"{p.topic}/{p.partition}: waits for somebody" for p in PARTITIONS if self.known[p].stopped)
        assert self.assignment.stopped() == stopped


TestHoldings = HoldingsMachine.TestCase
