"""What a short fault run tries is chosen by the commit, and within some commits everything is."""

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.draw import ALL, draw

NAMES = [f"failpoint-{n}" for n in range(42)]
COUNT = 6
COMMITS = 60  # the chance that these leave one name out is below one in 200


@given(word=st.text(min_size=1).filter(lambda word: word != ALL), count=st.integers(0, len(NAMES)))
def test_a_word_always_draws_the_same_names_and_as_many_as_asked_for(word: str, count: int) -> None:
    drawn = draw(NAMES, count, word=word)
    assert drawn == draw(NAMES, count, word=word)
    assert len(drawn) == count
    assert drawn == [name for name in NAMES if name in drawn], "they keep their order"


def test_a_new_name_moves_none_of_the_others_against_each_other() -> None:
    without = draw(NAMES[1:], COUNT, word="a commit")
    assert set(draw(NAMES, COUNT, word="a commit")) - set(NAMES[:1]) <= set(without)


def test_within_some_commits_every_name_is_drawn() -> None:
    assert {name for commit in range(COMMITS) for name in draw(NAMES, COUNT, word=f"commit {commit}")} == set(NAMES)


def test_all_is_all() -> None:
    assert draw(NAMES, COUNT, word=ALL) == NAMES
