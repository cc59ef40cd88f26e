"""A telephone number in national form is that of one country: the customer's, or else the source's."""

from typing import Any, Final

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values import identity, phone
from services.ingest.domain.values.message import Context, Message
from shared.contracts import normal_form
from shared.contracts.identity import Identity, Namespace
from shared.contracts.placeholders import is_nobodys_phone

COUNTRIES: Final = st.sampled_from(sorted(phone.COUNTRIES))
KINDS: Final = st.sampled_from(sorted(set(PhoneNumberType.values()) - normal_form.SERVICE_LINES))


@st.composite
def numbers(draw: st.DrawFn) -> tuple[str, phonenumbers.PhoneNumber]:
    """A country, and a number of one of the kinds that it has."""
    country = draw(COUNTRIES)
    made = phonenumbers.example_number_for_type(country, draw(KINDS)) or phonenumbers.example_number(country)
    assert made is not None
    assume(not is_nobodys_phone(str(made.national_number)))  # some examples count from 1 to 8
    return country, made


def national(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)


def who(traits: dict[str, Any], source_country: str | None = None, context: Context | None = None) -> list[str]:
    """The numbers that link a customer of these traits."""
    message = Message(user_id="42", traits=traits)
    known = identity.of_customer(message, context or Context(), of_group=False, source_country=source_country)
    found = identity.identities(message, known, trusted=True)
    numbers = [one.value for one in found if one.namespace is Namespace.PHONE]
    assert phone.is_unread(known) is (bool(traits.get("phone")) and not numbers)
    return numbers


@pytest.mark.parametrize("kind", sorted(normal_form.SERVICE_LINES))
def test_a_line_of_a_company_identifies_nobody_in_any_country(kind: int) -> None:
    found = {code: phonenumbers.example_number_for_type(code, kind) for code in sorted(phone.COUNTRIES)}
    lines = {code: line for code, line in found.items() if line is not None}
    assert lines
    for code, line in lines.items():
        assert who({"phone": national(line), "country": code}) == []
        assert who({"phone": phonenumbers.format_number(line, PhoneNumberFormat.E164)}) == []


@pytest.mark.parametrize(
    ("value", "country"),
    [
        ("021-62345678 ext 101", "CN"),
        ("021-62345678 ext. 101", "CN"),
        ("021-62345678转101", "CN"),
        ("021-62345678 转 101", "CN"),
        ("021-62345678x101", "CN"),
        ("021-62345678 #101", "CN"),
        ("021-62345678,101", "CN"),
        ("021-62345678-8101", "CN"),
        ("021-62345678分机101", "CN"),
        ("+86 21 62345678;ext=101", None),
        ("tel:+86-21-62345678;ext=101", None),
        ("+49 30 901820 Durchwahl 12", None),
        ("+1 212 555 0147 extension 12", None),
        ("13800138000/13900139000", "CN"),
        ("13800138000 13900139000", "CN"),
        ("13800138000, 13900139000", "CN"),
        ("13800138000、13900139000", "CN"),
        ("13800138000;13900139000", "CN"),
        ("13800138000\n13900139000", "CN"),
        ("+12125550147 +12125550148", None),
        ("+12125550147 or +12125550148", None),
        ("212-555-0147 / 0148", "US"),
        ("030 123456/57", "DE"),
        ("10086", "CN"),
        ("95588", "CN"),
        ("400-812-3456", "CN"),
        ("800-810-1234", "CN"),
        ("110", "DE"),
        ("1-800-FLOWERS", "US"),
        ("+800 1234 5678", None),
        ("0845 600 1234", "GB"),
        ("0180 5 123456", "DE"),
        ("+1 212 555 0147 (Ann's mother)", None),
    ],
)
def test_what_more_than_one_person_answers_links_nobody_and_stays_whole(value: str, country: str | None) -> None:
    traits = {"phone": value, **({"country": country} if country else {})}
    assert who(traits) == []
    assert identity.of_customer(Message(traits=traits), Context(), of_group=False) == traits


@pytest.mark.parametrize(
    ("value", "country", "normal"),
    [
        ("tel:+1-212-555-0147", None, "+12125550147"),
        ("whatsapp:+12125550147", None, "+12125550147"),
        ("Tel.: 030 901820", "DE", "+4930901820"),
        ("电话：021-62345678", "CN", "+862162345678"),
        ("030/901820", "DE", "+4930901820"),
        ("+49/30/901820", None, "+4930901820"),
        ("(+49) 30 901820", None, "+4930901820"),
        ("+49 (0)30 901820", None, "+4930901820"),
        ("\u202a+86 138 0013 8000\u202c", None, "+8613800138000"),
        ("＋86 138 0013 8000", None, "+8613800138000"),
        ("212‑555‑0147", "US", "+12125550147"),
        ("212.555.0147", "US", "+12125550147"),
    ],
)
def test_one_number_is_read_however_it_is_written(value: str, country: str | None, normal: str) -> None:
    assert who({"phone": value, **({"country": country} if country else {})}) == [normal]


@given(numbers(), st.sampled_from([PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.RFC3966]), COUNTRIES)
def test_a_national_number_and_its_country_are_the_international_number(
    one: tuple[str, phonenumbers.PhoneNumber], written: int, elsewhere: str
) -> None:
    country, number = one
    normal = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    assert who({"phone": national(number), "country": country}, elsewhere) == [normal]
    assert who({"phone": national(number), "address": {"country": country.lower()}}, elsewhere) == [normal]
    assert who({"phone": national(number)}, country) == [normal]
    assert who({"phone": phonenumbers.format_number(number, written), "country": elsewhere}) == [normal]
    assert who({"phone": normal, "country": elsewhere}, country) == [normal]


@given(numbers())
def test_a_national_number_without_a_country_links_nobody_and_stays_as_it_came(
    one: tuple[str, phonenumbers.PhoneNumber],
) -> None:
    _, number = one
    traits = {"phone": national(number)}
    assert who(traits) == []
    assert identity.of_customer(Message(traits=traits), Context(), of_group=False) == traits


@given(numbers(), numbers())
def test_national_numbers_of_two_countries_are_never_one_identity(
    one: tuple[str, phonenumbers.PhoneNumber], other: tuple[str, phonenumbers.PhoneNumber]
) -> None:
    """Whichever two customers: one number is the same line, by its country's code and its digits."""
    (here, first), (there, second) = one, other
    same_line = (first.country_code, phonenumbers.national_significant_number(first)) == (
        second.country_code,
        phonenumbers.national_significant_number(second),
    )
    found = who({"phone": national(first), "country": here}), who({"phone": national(second)}, there)
    assert (found[0] == found[1]) is same_line


@given(numbers(), COUNTRIES)
def test_what_is_written_nationally_is_never_the_same_number_in_a_country_of_another_code(
    one: tuple[str, phonenumbers.PhoneNumber], elsewhere: str
) -> None:
    here, number = one
    same_code = phonenumbers.country_code_for_region(elsewhere) == number.country_code
    read = who({"phone": national(number), "country": elsewhere})
    assert same_code or read != who({"phone": national(number), "country": here})


@pytest.mark.parametrize(
    ("value", "country", "normal"),
    [
        ("+86 138 0013 8000", None, "+8613800138000"),
        ("138 0013 8000", "CN", "+8613800138000"),
        ("13800138000", "CN", "+8613800138000"),
        ("0043 1 5331234", "AT", "+4315331234"),
        ("011 43 1 5331234", "US", "+4315331234"),
        ("0043 1 5331234", "US", None),
        ("0043 1 5331234", None, None),
        ("(030) 901 820", "DE", "+4930901820"),
        ("138 0013 8000", None, None),
        ("+1 000 000 0000", None, None),
        ("call me", "US", None),
        ("138 0013 8000", "ZZ", None),
    ],
)
def test_a_telephone_number_becomes_e164_where_its_country_is_known(
    value: str, country: str | None, normal: str | None
) -> None:
    assert normal_form.phone(value, country) == normal


@pytest.mark.parametrize(
    ("traits", "country"),
    [
        ({"country": "cn"}, "CN"),
        ({"country": " AT "}, "AT"),
        ({"country": "AT", "address": {"country": "CN"}}, "AT"),
        ({"address": {"country": "AT"}}, "AT"),
        ({"country": "Austria", "address": {"country": "AT"}}, "AT"),
        ({}, "DE"),
        ({"country": None, "address": {}}, "DE"),
        ({"country": " ", "address": "Main Street 1"}, "DE"),
        ({"country": "Austria"}, None),
        ({"country": "XX"}, None),
        ({"country": "ıt"}, None),
        ({"country": 43}, None),
        ({"country": ["AT"]}, None),
        ({"address": {"country": "Österreich"}}, None),
    ],
)
def test_the_country_is_the_customers_own_and_the_sources_only_where_the_customer_says_none(
    traits: dict[str, Any], country: str | None
) -> None:
    assert phone.country_of(traits, "DE") == country


def test_the_region_of_a_language_is_no_evidence_of_a_number() -> None:
    """Most of the world's devices that speak English say en-US, and this Chinese number is one of Ohio, too."""
    number = {"phone": "13802138000"}
    assert who({**number, "country": "US"}) == ["+13802138000"]
    assert who(number, context=Context(locale="en-US")) == []
    assert who(number, "CN", Context(locale="en-US")) == ["+8613802138000"]


def test_a_number_that_is_the_only_name_and_cant_be_read_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(BadEvent) as refused:
        identity.identities(Message(), {"phone": "030 901820"}, trusted=True)
    assert refused.value.reason is Reason.IDENTITY
    assert refused.value.text == (
        "identity: traits.phone is not valid, or means nobody; send a userId or an anonymousId, or a valid "
        "traits.email; write traits.phone with + and the country's code, or name its traits.country"
    )
    assert identity.identities(Message(), {"phone": "+4930901820"}, trusted=True) == (
        Identity(Namespace.PHONE, "+4930901820"),
    )


@pytest.mark.parametrize(
    ("traits", "unread"),
    [
        ({}, False),
        ({"phone": None}, False),
        ({"phone": "  "}, False),
        ({"phone": "+4930901820"}, False),
        ({"phone": "030 901820"}, True),
        ({"phone": 13800138000}, True),
        ({"phone": "1" * 300}, True),
    ],
)
def test_a_number_that_links_nobody_is_told_from_none(traits: dict[str, Any], unread: bool) -> None:
    assert phone.is_unread(traits) is unread
