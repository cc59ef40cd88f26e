"""One person, one spelling; and nobody is not a person."""

from typing import Any

import idna
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import assume, given
from hypothesis import strategies as st

from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values import identity
from services.ingest.domain.values.message import Context, Message
from shared.contracts import normal_form
from shared.contracts.identity import Identity, Namespace
from shared.contracts.placeholders import WORDS, is_nobodys_email

LOCAL_PARTS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=20)


def who(*, trusted: bool = True, context: Context | None = None, **fields: Any) -> tuple[Identity, ...]:
    message, of_context = Message(**fields), context or Context()
    traits = identity.of_customer(message, of_context, of_group=False)
    return identity.identities(message, traits, trusted=trusted)


@given(local=LOCAL_PARTS)
def test_a_mail_address_has_one_spelling(local: str) -> None:
    spelled = f"{local}@Example.COM"
    assume(not is_nobodys_email(spelled))
    normal = normal_form.email(spelled)
    assert normal == spelled.lower()
    assert normal is not None
    assert normal_form.email(normal) == normal_form.email(f"  {spelled.upper()} ") == normal


@given(
    name=st.text("aZ9._+-@ é", max_size=70) | st.text("a", min_size=60, max_size=70),
    domain=st.text("aB0.-é", max_size=20)
    | st.sampled_from(["example.com", "x.test", "x.local", "例え.jp", "a" * 63 + ".com", ("a" * 60 + ".") * 3 + "com"]),
)
def test_the_short_way_says_of_an_address_what_the_library_says(name: str, domain: str) -> None:
    value = f"{name}@{domain}"
    try:
        checked = validate_email(value.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        assert normal_form.email(value) is None
    else:
        found = checked.normalized.lower()
        is_too_long = len(found.rpartition("@")[0].encode()) > normal_form.MAX_NAME_LENGTH
        assert normal_form.email(value) == (None if is_too_long or is_nobodys_email(found) else found)


@pytest.mark.parametrize("value", ["ann", "ann@", "@example.com", "Ann <ann@example.com>", "a b@example.com", ""])
def test_what_is_no_mail_address_is_none(value: str) -> None:
    assert normal_form.email(value) is None


@pytest.mark.parametrize(("name", "length"), [("a", 64), ("ü", 32), ("李", 21)])
def test_what_stands_before_the_at_has_at_most_64_octets(name: str, length: int) -> None:
    assert normal_form.email(f"{name * length}@example.com") == f"{name * length}@example.com"
    assert normal_form.email(f"{name * (length + 1)}@example.com") is None


LABELS = st.text("abcxyz0189-äößéžçñøłαβγδабвгдежあいうかな例子商店", min_size=1, max_size=20)


@given(label=LABELS, name=st.sampled_from(["kim", "Kim.Lee+1", "金"]))
def test_a_domain_and_its_ascii_form_are_one_address(label: str, name: str) -> None:
    """Source: RFC 5890, section 2.3.2.1: the A-label and the U-label of one name stand for each other."""
    normal = normal_form.email(f"{name}@{label}.example")
    if normal is None:
        return
    name, _, domain = normal.rpartition("@")
    ascii_form = idna.encode(domain).decode()
    assert normal_form.email(f"{name}@{ascii_form}") == normal
    assert normal_form.email(f"{name}@{ascii_form.upper()}") == normal
    assert normal_form.email(normal) == normal


@pytest.mark.parametrize(
    "domain",
    ["bücher.example", "xn--bcher-kva.example", "XN--Bcher-KVA.Example", "BÜCHER.example", "bu\u0308cher.example"],
)
def test_every_spelling_of_a_domain_is_one_customer(domain: str) -> None:
    assert who(traits={"email": f"kim@{domain}"}) == (Identity(Namespace.EMAIL, "kim@bücher.example"),)


@given(value=st.sampled_from(sorted(WORDS.plain)), spaces=st.text(" ", max_size=3))
def test_a_placeholder_is_nobody(value: str, spaces: str) -> None:
    with pytest.raises(BadEvent, match=r"^identity: ") as refused:
        who(user_id=spaces + value.upper() + spaces)
    assert refused.value.reason is Reason.IDENTITY
    assert who(user_id=value, anonymous_id="a-1") == (Identity(Namespace.ANONYMOUS_ID, "a-1"),)


@given(number=st.integers(1, 2**53))
def test_a_number_and_its_digits_are_the_same_id(number: int) -> None:
    assert who(user_id=number) == who(user_id=str(number)) == who(user_id=float(number))


def test_composed_and_decomposed_letters_are_the_same_id() -> None:
    assert who(user_id="re\u0301mi") == who(user_id="r\u00e9mi")


def test_a_server_identifies_by_traits_and_a_public_key_does_not() -> None:
    traits = {"email": "Ann@Example.com", "phone": "+8613800138000"}
    assert who(traits=traits, anonymous_id="a-1") == (
        Identity(Namespace.EMAIL, "ann@example.com"),
        Identity(Namespace.PHONE, "+8613800138000"),
        Identity(Namespace.ANONYMOUS_ID, "a-1"),
    )
    assert who(traits=traits, anonymous_id="a-1", trusted=False) == (Identity(Namespace.ANONYMOUS_ID, "a-1"),)
    with pytest.raises(BadEvent, match=r"nobody is named; send a userId or an anonymousId$"):
        who(traits=traits, trusted=False)


def test_traits_of_the_message_come_before_those_of_its_context() -> None:
    context = Context(traits={"email": "old@example.com", "phone": "138 0013 8000", "country": "CN"})
    assert who(traits={"email": "new@example.com"}, context=context) == (
        Identity(Namespace.EMAIL, "new@example.com"),
        Identity(Namespace.PHONE, "+8613800138000"),
    )


def test_an_invalid_address_is_no_identity_and_says_so_where_it_is_the_only_one() -> None:
    assert who(user_id="42", traits={"email": "no address"}) == (Identity(Namespace.USER_ID, "42"),)
    with pytest.raises(BadEvent, match=r"traits\.email is not valid"):
        who(traits={"email": "no address"})


def test_an_id_too_long_is_refused() -> None:
    assert who(user_id="x" * 256)
    with pytest.raises(BadEvent, match="userId: longer than 256 characters"):
        who(user_id="x" * 257)
