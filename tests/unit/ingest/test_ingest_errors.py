"""The domain says no by errors that callers see as they are: their names and texts are the API's."""

import msgspec
import pytest

from services.ingest.domain.errors import BadDefinition, BadEvent, BadRequest, Reason, definition_of
from services.ingest.domain.formats.webhooks.signature import BadSignature
from shared.errors import AppError


@pytest.mark.parametrize(
    ("error", "status", "known_as", "title"),
    [
        (BadEvent(Reason.TIME, "t"), 422, "refused", "The event is refused, and is kept in the quarantine."),
        (BadDefinition("d"), 422, "not-usable", "This definition can't be used."),
        (BadRequest("too_large", "b"), 400, "not-readable", "The request can't be read."),
        (BadSignature("s"), 401, "badly-signed", "The delivery is not signed with its source's secret."),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, AppError) else "",
)
def test_a_caller_knows_an_error_of_the_domain_by_its_problem_type(
    error: AppError, status: int, known_as: str, title: str
) -> None:
    assert (error.status, error.slug(), error.title()) == (status, known_as, title)


def test_what_is_wrong_with_a_definition_names_it() -> None:
    with pytest.raises(BadDefinition, match=r"^mapping: rules: at least one$"), definition_of("mapping"):
        raise BadDefinition("rules: at least one")
    with pytest.raises(BadDefinition, match=r"^plan: Expected `int`, got `str`$"), definition_of("plan"):
        msgspec.convert("1", int)
