"""What feedback means: scales, figures, and when somebody must act."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.domain import Survey, figures, needs_a_person, problem_with
from shared.contracts.events import SURVEY_SCALES, FeedbackSubmitted

answers_by_survey = st.sampled_from(Survey).flatmap(
    lambda survey: st.tuples(
        st.just(survey), st.dictionaries(st.sampled_from(list(SURVEY_SCALES[survey])), st.integers(0, 1000))
    )
)


@given(answers_by_survey)
def test_every_answer_is_positive_neutral_or_negative_and_the_score_is_on_its_scale(
    given_: tuple[Survey, dict[int, int]],
) -> None:
    survey, answers = given_
    found = figures(survey, answers)

    assert found.positive + found.neutral + found.negative == found.responses == sum(answers.values())
    assert min(found.positive, found.neutral, found.negative) >= 0
    if found.responses:
        assert found.score is not None
        assert (-100 if survey is Survey.NPS else 0) <= found.score <= 100
    else:
        assert found.score is None


@pytest.mark.parametrize(
    ("survey", "answers", "score"),
    [
        (Survey.NPS, {10: 1, 9: 1, 8: 1, 6: 1}, 25.0),
        (Survey.NPS, {0: 3}, -100.0),
        (Survey.NPS, {9: 1}, 100.0),
        (Survey.NPS, {7: 1, 8: 1}, 0.0),
        (Survey.CSAT, {5: 1, 4: 1, 3: 1, 1: 1}, 50.0),
        (Survey.CSAT, {3: 1}, 0.0),
    ],
)
def test_scores_are_as_the_field_reports_them(survey: Survey, answers: dict[int, int], score: float) -> None:
    assert figures(survey, answers).score == score


@pytest.mark.parametrize(
    ("survey", "rating", "expected"),
    [
        (Survey.NPS, 6, True),
        (Survey.NPS, 7, False),
        (Survey.CSAT, 2, True),
        (Survey.CSAT, 3, False),
    ],
)
def test_detractors_and_the_dissatisfied_need_a_person(survey: Survey, rating: int, expected: bool) -> None:
    assert needs_a_person(survey, rating) is expected


@pytest.mark.parametrize("survey", ["nps", "csat"])
def test_whoever_needs_a_person_counts_as_negative_and_nobody_else(survey: str) -> None:
    asked = Survey(survey)
    for rating in SURVEY_SCALES[asked]:
        assert figures(asked, {rating: 1}).negative == needs_a_person(asked, rating)


@pytest.mark.parametrize(
    ("survey", "low", "high"),
    [("nps", 0, 10), ("csat", 1, 5)],
)
def test_a_rating_off_the_scale_is_named(survey: str, low: int, high: int) -> None:
    def problem(rating: int) -> str | None:
        return problem_with(FeedbackSubmitted(survey=survey, rating=rating))  # type: ignore[arg-type] # a literal

    assert problem(low) is None
    assert problem(high) is None
    assert problem(low - 1) == f"rating: {low - 1} is not on the {survey} scale of {low} to {high}"
    assert problem(high + 1) is not None
