"""What a fetch says of a log's end is believed once a second answer says the same."""

from aiokafka import TopicPartition


class Answers:
    """Claims of single answers, until another answer bears them out.

    The embedded broker may send records with a high-water mark from before they came; the next answer tells better.
    """

    def __init__(self) -> None:
        self._claims: dict[TopicPartition, tuple[int, int]] = {}

    def agree(self, partition: TopicPartition, offset: int | None, answered_ms: int) -> bool:
        """Returns whether an earlier answer had the same offset, and none between them had another, or nothing (None).

        `answered_ms` tells answers apart: the same one may be looked at many times.
        """
        before = self._claims.pop(partition, None)
        if offset is None:
            return False
        if before is None or before[0] != offset:
            self._claims[partition] = offset, answered_ms
            return False
        self._claims[partition] = before
        return before[1] != answered_ms
