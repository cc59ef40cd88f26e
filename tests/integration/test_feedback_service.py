"""Feedback on real PostgreSQL: answers given here and elsewhere, figures, cases, and whose they are."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from structlog.testing import capture_logs

from services.feedback import service
from services.feedback.domain import CaseStatus, Survey
from shared.contracts import topics, wire
from shared.contracts.changes import ProfileMerged
from shared.contracts.envelope import Event, SourceKind, may_say_of
from shared.contracts.events import FeedbackSubmitted, PageViewed
from shared.contracts.identity import Identity, Namespace, partition_key
from shared.database.database import Database, Work
from shared.errors import Refused
from shared.service.clock import SystemClock
from tests.conftest import DatabaseFactory
from tests.support.actors import OPERATOR
from tests.support.events import NOON, SECRET, days, event, order, user

ANN, BOB, CAT = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.fixture
async def database(database_factory: DatabaseFactory) -> AsyncIterator[Database]:
    """An empty database of feedback."""
    made = Database(await database_factory("feedback"), application="test", clock=SystemClock())
    yield made
    await made.close()


@pytest.fixture
async def work(database: Database) -> AsyncIterator[Work]:
    """One transaction at noon."""
    async with database.work() as one:
        one.now = NOON
        yield one


def nps(rating: int, customer: UUID = ANN, *, at: datetime = NOON, **changes: Any) -> Event:
    """An answer that a profile owns."""
    return event(FeedbackSubmitted(survey="nps", rating=rating), profile_id=customer, at=at, **changes)


async def submitted(
    work: Work,
    rating: int = 2,
    profile_id: UUID | None = None,
    *,
    by_customer: bool = False,
    order_id: str | None = None,
) -> UUID:
    """An answer given at this service's own API."""
    return await service.submit(
        work,
        FeedbackSubmitted(survey="nps", rating=rating, text="谢谢", order_id=order_id),
        identities=() if profile_id else (user(1),),
        profile_id=profile_id,
        by_customer=by_customer,
        partition_secret=SECRET,
    )


async def published(work: Work) -> list[tuple[bytes, Event]]:
    rows = await work.rows("SELECT topic, key, headers::text AS headers, value FROM outbox ORDER BY id")
    assert {row.topic for row in rows} <= {topics.EVENTS}
    return [
        (
            row.key,
            wire.decode([(name, text.encode()) for name, text in msgspec.json.decode(row.headers).items()], row.value),
        )
        for row in rows
    ]


async def stored(work: Work) -> int:
    row = await work.row("SELECT count(*) AS answers FROM responses")
    assert row is not None
    answers: int = row.answers
    return answers


async def open_cases(work: Work) -> list[UUID]:
    return [case.id for case in await service.cases(work, CaseStatus.OPEN, after=None, limit=100)]


async def test_an_answer_is_stored_and_published_as_one_fact_keyed_by_who_gave_it(work: Work) -> None:
    answer = await submitted(work)

    [(key, fact)] = await published(work)
    assert key == partition_key("user_id:1", secret=SECRET)
    assert (fact.event_id, fact.source_kind, fact.identities) == (answer, SourceKind.SERVICE, (user(1),))
    assert fact.body == FeedbackSubmitted(survey="nps", rating=2, text="谢谢")
    assert await stored(work) == 1


async def test_an_answer_by_profile_id_is_keyed_by_it(work: Work) -> None:
    await submitted(work, profile_id=ANN)

    [(key, fact)] = await published(work)
    assert (key, fact.profile_id) == (partition_key(str(ANN), secret=SECRET), ANN)


async def test_an_answer_off_the_scale_is_neither_stored_nor_published(work: Work) -> None:
    with pytest.raises(service.NotOnTheScale, match="rating: 11"):
        await submitted(work, rating=11)

    assert await stored(work) == 0
    assert await published(work) == []


async def test_an_answer_that_comes_back_is_not_stored_twice_and_gets_its_profile(work: Work) -> None:
    answer = await submitted(work)
    [(_, fact)] = await published(work)
    for _ in range(2):
        await service.on_feedback_submitted(work, [msgspec.structs.replace(fact, profile_id=ANN, origin=0, sequence=1)])

    assert await stored(work) == 1
    [found] = await service.responses_of(work, ANN, limit=10)
    assert (found.id, found.text) == (answer, "谢谢")
    assert await open_cases(work) == [answer]
    assert len(await published(work)) == 1


async def test_an_answer_from_elsewhere_is_stored_once_and_not_published_again(work: Work) -> None:
    heard = nps(9)
    await service.on_feedback_submitted(work, [heard, heard])
    await service.on_feedback_submitted(work, [heard])

    assert await stored(work) == 1
    assert await published(work) == []


@pytest.mark.parametrize(("rating", "opened"), [(0, 1), (6, 1), (7, 0), (10, 0)])
async def test_a_detractor_opens_one_case_and_nobody_else_does(work: Work, rating: int, opened: int) -> None:
    heard = nps(rating)
    for _ in range(3):
        await service.on_feedback_submitted(work, [heard])

    assert len(await open_cases(work)) == opened


async def test_a_case_that_opens_or_closes_is_one_line_of_the_log(work: Work) -> None:
    heard = nps(0)
    with capture_logs() as lines:
        for _ in range(2):
            await service.on_feedback_submitted(work, [heard])
        await service.close_case(work, heard.event_id, by=OPERATOR, note="called her")
        assert lines == []  # nothing is committed yet
        work.committed()
    assert [(line["event"], line["case"]) for line in lines] == [
        ("case.opened", str(heard.event_id)),
        ("case.closed", str(heard.event_id)),
    ]


async def test_an_answer_of_long_ago_opens_no_case(work: Work) -> None:
    await service.on_feedback_submitted(work, [nps(0, historical=True)])

    assert await open_cases(work) == []
    assert await stored(work) == 1


async def test_a_closed_case_stays_closed_when_its_answer_is_heard_again(work: Work) -> None:
    heard = nps(0)
    await service.on_feedback_submitted(work, [heard])
    closed = await service.close_case(work, heard.event_id, by=OPERATOR, note="called her")
    await service.on_feedback_submitted(work, [heard])

    assert (closed.status, closed.closed_by, closed.note, closed.closed_at) == (
        "closed",
        "operator",
        "called her",
        NOON,
    )
    assert await open_cases(work) == []
    with pytest.raises(service.CaseNotOpen):
        await service.close_case(work, heard.event_id, by=OPERATOR, note="")
    with pytest.raises(service.UnknownCase):
        await service.close_case(work, ANN, by=OPERATOR, note="")


async def test_cases_come_newest_first_page_by_page(work: Work) -> None:
    for hour in range(5):
        work.now = NOON + days(hour)
        await service.on_feedback_submitted(work, [nps(0), nps(1)])
    whole = await service.cases(work, CaseStatus.OPEN, after=None, limit=100)

    paged: list[Any] = []
    while page := await service.cases(
        work, CaseStatus.OPEN, after=(paged[-1].opened_at, paged[-1].id) if paged else None, limit=3
    ):
        paged += page
    assert paged == whole
    assert len(whole) == 10
    assert [case.opened_at for case in whole] == sorted((case.opened_at for case in whole), reverse=True)


async def test_figures_count_answers_from_the_beginning_up_to_but_not_at_the_end(work: Work) -> None:
    customers = [UUID(int=number) for number in range(1, 5)]
    answers = [nps(rating, customer) for rating, customer in zip((10, 9, 7, 0), customers, strict=True)]
    await service.on_feedback_submitted(work, [*answers, nps(10, at=NOON + days(1))])
    csat = FeedbackSubmitted(survey="csat", rating=5)
    await service.on_feedback_submitted(work, [event(csat, profile_id=ANN)])

    found = await service.figures(work, Survey.NPS, since=NOON, until=NOON + days(1))
    assert (found.responses, found.positive, found.neutral, found.negative, found.score) == (4, 2, 1, 1, 25.0)
    assert (await service.figures(work, Survey.CSAT, since=NOON, until=NOON + days(1))).score == 100.0
    assert (await service.figures(work, Survey.NPS, since=NOON - days(2), until=NOON)).score is None


@pytest.mark.parametrize("turn", [1, -1])
async def test_answers_are_found_under_every_id_that_a_customer_ever_had(work: Work, turn: int) -> None:
    merges = [
        event(ProfileMerged(loser=loser, survivor=survivor), profile_id=survivor)
        for loser, survivor in ((CAT, BOB), (BOB, ANN))
    ]
    await service.on_feedback_submitted(work, [nps(9, CAT), nps(8, BOB, at=NOON + days(1))])
    await service.follow_merges(work, [*merges[::turn], *merges])
    await service.on_feedback_submitted(work, [nps(7, CAT, at=NOON + days(2)), nps(10, ANN, at=NOON + days(3))])

    for customer in (ANN, BOB, CAT):
        found = await service.responses_of(work, customer, limit=10)
        assert [one.rating for one in found] == [10, 7, 8, 9]


@pytest.mark.parametrize(
    "heard",
    [
        event(FeedbackSubmitted(survey="nps", rating=9)),
        event(PageViewed(), profile_id=ANN),
        nps(11),
        nps(-1),
        event(FeedbackSubmitted(survey="csat", rating=0), profile_id=ANN),
    ],
    ids=["of nobody", "no answer", "above the scale", "below the scale", "below one"],
)
async def test_what_is_no_answer_of_somebody_is_refused(work: Work, heard: Event) -> None:
    with pytest.raises(Refused):
        await service.on_feedback_submitted(work, [heard])
    assert await stored(work) == 0


# Answers that nobody asked for

VISITOR = Identity(Namespace.ANONYMOUS_ID, "a-1")


def by_browser(rating: int, *who: Identity, customer: UUID = ANN, order_id: str | None = None, **changes: Any) -> Event:
    """An answer that came with a public key, by a visitor unless it is said by whom."""
    body = FeedbackSubmitted(survey="nps", rating=rating, order_id=order_id)
    claim = not may_say_of(SourceKind.PUBLIC, FeedbackSubmitted, who)
    fields = {"source_kind": SourceKind.PUBLIC, "profile_id": customer, "unverified": claim, **changes}
    return event(body, *(who or (VISITOR,)), **fields)


async def reasons(work: Work, customer: UUID = ANN) -> list[str | None]:
    return [one.unsolicited for one in await service.responses_of(work, customer, limit=100)]


async def counted(work: Work) -> tuple[int, int]:
    """How many answers count, and how many do not."""
    found = await service.figures(work, Survey.NPS, since=NOON - days(99), until=NOON + days(99))
    return found.responses, found.unsolicited


@pytest.mark.parametrize("namespace", [Namespace.USER_ID, Namespace.EMAIL, Namespace.PHONE])
async def test_an_answer_in_a_customers_name_with_a_public_key_is_kept_and_counts_in_nothing(
    work: Work, namespace: Namespace
) -> None:
    answer = by_browser(0, Identity(namespace, "1"), VISITOR)
    for _ in range(2):
        await service.on_feedback_submitted(work, [answer])

    assert await counted(work) == (0, 1)
    assert await open_cases(work) == []
    assert await reasons(work) == [f"given in the name of a customer ({namespace}) with a public key"]


async def test_an_answer_of_before_such_answers_were_claims_counts_in_nothing_either(work: Work) -> None:
    await service.on_feedback_submitted(work, [by_browser(0, user(1), unverified=False)])

    assert await counted(work) == (0, 1)


async def test_a_visitor_counts_once_for_each_survey_and_day_by_when_the_answer_was_received(work: Work) -> None:
    one = Identity(Namespace.ANONYMOUS_ID, "a-2")
    answers = [
        by_browser(0, at=NOON),
        by_browser(1, at=NOON - days(5), received_at=NOON),  # another day, by the sender's own word
        by_browser(2, at=NOON + days(1)),
        by_browser(3, one, at=NOON),
    ]
    for _ in range(2):  # read again, it is the same
        await service.on_feedback_submitted(work, answers)
    csat = FeedbackSubmitted(survey="csat", rating=1)
    await service.on_feedback_submitted(work, [event(csat, VISITOR, source_kind=SourceKind.PUBLIC, profile_id=ANN)])

    assert await counted(work) == (3, 1)
    assert len(await open_cases(work)) == 4
    assert sorted(filter(None, await reasons(work))) == ["the order, or the day, has been answered before"]


async def test_an_answer_about_ones_own_order_counts_once_for_it(work: Work) -> None:
    await service.note_orders(work, [order(1, "A-1", profile_id=ANN), order(1, "A-1", profile_id=ANN)])
    answers = [by_browser(9), by_browser(8, order_id="A-1"), by_browser(7, order_id="A-1", at=NOON + days(1))]
    await service.on_feedback_submitted(work, answers)

    assert await counted(work) == (2, 1)


async def test_an_order_that_is_anothers_or_claimed_or_unknown_is_no_occasion(work: Work) -> None:
    await service.note_orders(work, [order(1, "A-1", profile_id=BOB), order(1, "A-2", profile_id=ANN, unverified=True)])
    await service.on_feedback_submitted(work, [by_browser(9)])
    await service.on_feedback_submitted(work, [by_browser(0, order_id=f"A-{number}") for number in (1, 2, 3)])

    assert await counted(work) == (1, 3)


async def test_an_order_is_ones_own_under_every_id_that_one_ever_had(work: Work) -> None:
    await service.note_orders(work, [order(1, "A-1", profile_id=BOB)])
    await service.follow_merges(work, [event(ProfileMerged(loser=BOB, survivor=ANN), profile_id=ANN)])
    await service.on_feedback_submitted(work, [by_browser(9), by_browser(8, order_id="A-1")])

    assert await counted(work) == (2, 0)


async def test_a_customers_own_token_counts_once_a_day_and_the_rest_is_published_as_a_claim(work: Work) -> None:
    for rating in (0, 0, 0):
        await submitted(work, rating, profile_id=ANN, by_customer=True)

    assert await counted(work) == (1, 2)
    assert len(await open_cases(work)) == 1
    facts = [fact for _, fact in await published(work)]
    assert [fact.unverified for fact in facts] == [False, True, True]
    come_back = [msgspec.structs.replace(fact, profile_id=ANN) for fact in facts]
    await service.on_feedback_submitted(work, come_back)
    assert await counted(work) == (1, 2)
    work.now = NOON + days(1)
    await submitted(work, 9, profile_id=ANN, by_customer=True)
    assert await counted(work) == (2, 2)


async def test_a_customers_own_token_counts_once_for_each_of_her_orders(work: Work) -> None:
    await service.note_orders(work, [order(1, "A-1", profile_id=ANN), order(1, "A-2", profile_id=ANN)])
    for order_id in ("A-1", "A-2", "A-1", None, "A-3"):
        await submitted(work, 9, profile_id=ANN, by_customer=True, order_id=order_id)

    assert await counted(work) == (3, 2)


async def test_what_a_server_or_a_member_of_staff_says_of_customers_is_believed(work: Work) -> None:
    told = [nps(0, customer, source_kind=SourceKind.SERVER) for customer in (ANN, BOB, CAT)]
    await service.on_feedback_submitted(work, told)
    for _ in range(3):
        await submitted(work, 0, profile_id=ANN)

    assert await counted(work) == (6, 0)
    assert len(await open_cases(work)) == 6


@pytest.mark.parametrize("turn", [1, -1])
async def test_who_answers_again_corrects_the_answer_in_whatever_order_they_are_read(work: Work, turn: int) -> None:
    answers = [nps(rating, at=NOON + days(rating / 1_000)) for rating in (3, 6, 9)]
    for _ in range(2):  # read again, it is the same
        for answer in answers[::turn]:
            await service.on_feedback_submitted(work, [answer])

    found = await service.figures(work, Survey.NPS, since=NOON - days(1), until=NOON + days(1))
    assert (found.responses, found.score, found.unsolicited) == (1, 100.0, 2)
    assert [(one.rating, one.unsolicited) for one in await service.responses_of(work, ANN, limit=10)] == [
        (9, None),
        (6, "the customer has corrected it since"),
        (3, "the customer has corrected it since"),
    ]


async def test_another_order_day_or_survey_corrects_nothing(work: Work) -> None:
    about = [event(FeedbackSubmitted(survey="nps", rating=9, order_id=one), profile_id=ANN) for one in ("A-1", "A-2")]
    csat = event(FeedbackSubmitted(survey="csat", rating=5), profile_id=ANN)
    await service.on_feedback_submitted(work, [nps(9), nps(8, at=NOON + days(1)), *about, csat])

    assert await reasons(work) == [None] * 5


async def test_an_answer_that_was_given_here_is_corrected_by_a_later_one(work: Work) -> None:
    given = await submitted(work, 3, profile_id=ANN)
    [(_, fact)] = await published(work)
    await service.on_feedback_submitted(
        work, [msgspec.structs.replace(fact, profile_id=ANN), nps(9, at=NOON + days(0.1))]
    )

    assert await counted(work) == (1, 1)
    assert await service.unsolicited(work, given) == "the customer has corrected it since"
    assert await open_cases(work) == [given]  # somebody was unhappy, and may still be asked
