"""Identities in one normal form, and keys that give nobody away."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.identity import Identity, Namespace, best, partition_key
from tests.unit.contracts.strategies import identities


@given(st.lists(identities, min_size=1, max_size=4))
def test_the_best_identity_is_chosen_alike_in_any_order(named: list[Identity]) -> None:
    assert len({best(order) for order in permutations(named)}) == 1


def test_a_user_id_is_better_than_a_mail_address_and_that_than_a_device() -> None:
    device, mail = Identity(Namespace.ANONYMOUS_ID, "a"), Identity(Namespace.EMAIL, "z@example.com")

    assert best([device, mail]) == mail
    assert best([device, mail, Identity(Namespace.USER_ID, "z")]) == Identity(Namespace.USER_ID, "z")
    assert best([]) is None


@given(st.text(), st.text(), st.binary(min_size=1, max_size=100))
def test_equal_identities_and_only_they_share_a_partition_key(one: str, other: str, secret: bytes) -> None:
    assert len(partition_key(one, secret=secret)) == 16
    assert (partition_key(one, secret=secret) == partition_key(other, secret=secret)) == (one == other)


def test_a_partition_key_depends_on_the_secret_and_hides_the_identity() -> None:
    key = partition_key("email:ann@example.com", secret=b"one")

    assert key != partition_key("email:ann@example.com", secret=b"other")
    assert b"ann" not in key


def test_a_partition_key_is_pinned_so_that_customers_stay_on_their_partitions() -> None:
    assert partition_key("user_id:42", secret=b"rapport-local").hex() == "87e1b107e722066addd143208cf4d560"
