"""Time zones, languages and countries in one normal form."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.localities import country_code, country_in, language_tag, zone_named, zone_of_country
from tests.unit.contracts.strategies import json_values


@pytest.mark.parametrize(
    ("written", "zone"),
    [
        ("Asia/Shanghai", "Asia/Shanghai"),
        (" europe/berlin ", "Europe/Berlin"),
        ("Asia/Calcutta", "Asia/Calcutta"),  # as browsers still call Kolkata's
        ("UTC", "UTC"),
        ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("Beijing", None),
        ("+08:00", None),
        ("GMT+8 (China)", None),
        ("Factory", None),
        ("../../etc/passwd", None),
        ("", None),
        (480, None),
        (None, None),
        ("x" * 100_000, None),
    ],
)
def test_a_zone_is_one_of_iana_and_nothing_else(written: Any, zone: str | None) -> None:
    assert zone_named(written) == zone
    if zone is not None:
        assert ZoneInfo(zone).key == zone


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("zh", "zh"),
        ("zh_CN", "zh-CN"),
        ("zh-hans-cn", "zh-Hans-CN"),
        ("de_DE.UTF-8", "de-DE"),
        ("de_DE@euro", "de-DE"),
        ("en-US,en;q=0.9", "en-US"),
        ("es-419", "es-419"),
        ("de-CH-1996", "de-CH"),
        ("English", None),
        ("C", None),
        ("POSIX", None),
        ("und", None),
        ("*", None),
        ("中文", None),
        ("", None),
        (None, None),
        (["de"], None),
    ],
)
def test_a_language_is_a_tag_in_its_usual_capitals(written: Any, tag: str | None) -> None:
    assert language_tag(written) == tag


def test_a_country_has_one_zone_if_all_its_clocks_agree_from_now_on() -> None:
    found = {code: zone_of_country(code) for code in ("JP", "GB", "FR", "DE", "IN", "CN", "US", "ES", "XX")}
    assert found == {
        "JP": "Asia/Tokyo",
        "GB": "Europe/London",
        "FR": "Europe/Paris",
        "DE": "Europe/Berlin",  # and Büsingen
        "IN": "Asia/Kolkata",
        "CN": None,  # Urumqi's clocks are two hours behind Shanghai's
        "US": None,
        "ES": None,
        "XX": None,
    }


def test_a_country_is_named_by_its_two_letters_in_a_trait_or_in_the_address() -> None:
    assert country_in({"country": " de "}) == "DE"
    assert country_in({"country": "Germany", "countryCode": "DE"}) == "DE"
    assert country_in({"country": "Germany", "address": {"country": "JP"}}) == "JP"
    assert country_in({"address": "Tokyo"}) is None
    assert country_code("XX") is None


@given(json_values, st.text())
def test_whatever_is_written_nothing_is_raised_and_a_normal_form_is_its_own(value: Any, text: str) -> None:
    for read in (zone_named, language_tag, country_code):
        for one in (value, text):
            if (found := read(one)) is not None:
                assert read(found) == found
    country_in({"country": value, "address": {"country": value}})
