"""What one answer claims of a log's end is believed once another bears it out."""

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.answers import Answers

PARTITION = TopicPartition("orders", 0)

# Looks at answers in their order: each answer, with its claim, is looked at one to three times.
LOOKS = st.lists(st.tuples(st.none() | st.integers(0, 2), st.integers(1, 3)), max_size=20).map(
    lambda answers: [(at, claim) for at, (claim, times) in enumerate(answers) for _ in range(times)]
)


@given(looks=LOOKS)
def test_a_claim_is_believed_when_the_answer_before_made_the_same_one(looks: list[tuple[int, int | None]]) -> None:
    answers, replies = Answers(), dict(looks)
    for at, claim in looks:
        assert answers.agree(PARTITION, claim, at) == (claim is not None and replies.get(at - 1) == claim)


def test_each_partition_has_claims_of_its_own() -> None:
    answers = Answers()
    assert not answers.agree(TopicPartition("orders", 0), 5, 1)
    assert not answers.agree(TopicPartition("orders", 1), 5, 2)
    assert answers.agree(TopicPartition("orders", 0), 5, 2)
