"""The journeys and templates that come with the service."""

import html
import shutil
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign import content
from services.campaign.content import HERE, LANGUAGES, InvalidContent, Templates
from services.campaign.domain.confirmation import CONFIRM

TEMPLATES: Final = content.templates()

# Liquid escapes quotes as markupsafe does, the standard library in its own way; both mean the same.
ALWAYS_ESCAPED: Final = ("<", ">")


names = st.text(max_size=60).map(lambda text: "".join(c for c in text if c.isprintable()))


@given(names, st.sampled_from(sorted(TEMPLATES.names - {CONFIRM.template})), st.sampled_from(LANGUAGES))
def test_a_template_renders_for_any_name_and_escapes_it(name: str, template: str, language: str) -> None:
    values = {
        "first_name": name,
        "tier": "gold",
        "stage": "at_risk",
        "unsubscribe": "hello@shop.example",
        "unsubscribe_url": "",
    }
    plain = TEMPLATES.render(template, language, {**values, "first_name": "NAME"})
    rendered = TEMPLATES.render(template, language, values)
    for sign in ALWAYS_ESCAPED:
        assert rendered.html.count(sign) == plain.html.count(sign)
    assert name in html.unescape(rendered.html)
    assert name in rendered.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_mail_that_asks_a_stranger_says_nothing_that_a_visitor_chose(language: str) -> None:
    values = {"confirm_url": "https://mail.shop.example/v1/confirm/x", "hours": "72"}
    rendered = TEMPLATES.render(CONFIRM.template, language, values)  # what it names beside these would be undefined
    for part in (rendered.text, rendered.html):
        assert "https://mail.shop.example/v1/confirm/x" in part


def test_markup_in_a_name_stays_text() -> None:
    values = {
        "first_name": '<b>Tom & "J"</b>{{ tier }}',
        "tier": "gold",
        "stage": "",
        "unsubscribe": "a@b.example",
        "unsubscribe_url": "",
    }
    rendered = TEMPLATES.render("welcome-to-tier", "en", values)
    assert "<b>" not in rendered.html
    assert "&lt;b&gt;Tom &amp; " in rendered.html
    assert "{{ tier }}" in rendered.html
    assert rendered.subject == '<b>Tom & "J"</b>{{ tier }}, welcome to Gold'


@given(st.text(max_size=60))
def test_a_subject_is_one_line_whatever_the_name(name: str) -> None:
    values = {"first_name": name, "tier": "gold", "stage": "", "unsubscribe": "a@b.example", "unsubscribe_url": ""}
    assert TEMPLATES.render("welcome-to-tier", "en", values).subject.isprintable()


def test_a_language_that_we_do_not_write_is_answered_in_english() -> None:
    values = {"first_name": "Ann", "tier": "gold", "stage": "", "unsubscribe": "a@b.example", "unsubscribe_url": ""}
    assert TEMPLATES.render("welcome-to-tier", "fr", values) == TEMPLATES.render("welcome-to-tier", "en", values)
    assert TEMPLATES.render("welcome-to-tier", "zh", values).subject == "Ann，欢迎成为金卡会员"


@pytest.mark.parametrize("wrong", ["{% if tier %}", "{{ tier | no_such_filter }}", "{{ no_such_value }}"])
def test_a_wrong_template_is_refused_by_its_name(tmp_path: Path, wrong: str) -> None:
    shutil.copytree(HERE / "templates", tmp_path / "templates")
    (tmp_path / "templates" / "win-back" / "zh.html.liquid").write_text(wrong)
    with pytest.raises(InvalidContent, match=r"win-back/zh\.html\.liquid"):
        Templates(tmp_path / "templates")


def test_a_missing_template_is_refused_by_its_name(tmp_path: Path) -> None:
    shutil.copytree(HERE / "templates", tmp_path / "templates")
    (tmp_path / "templates" / "win-back" / "en.text.liquid").unlink()
    with pytest.raises(InvalidContent, match=r"win-back/en\.text\.liquid"):
        Templates(tmp_path / "templates")


def test_a_template_that_runs_away_is_stopped(tmp_path: Path) -> None:
    shutil.copytree(HERE / "templates", tmp_path / "templates")
    (tmp_path / "templates" / "win-back" / "en.text.liquid").write_text("{% for i in (1..100000) %}x{% endfor %}")
    with pytest.raises(InvalidContent, match="limit"):
        Templates(tmp_path / "templates")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"start": "message"', '"start": "mesage"'),
        ('"type": "stage_changed"', '"type": "moon_changed"'),
        ('"template": "win-back"', '"template": "nothing"'),
        ('"channel": "email"', '"channel": "email", "chanel": "email"'),
        ('"id": "win-back"', '"id": "come-back"'),
    ],
)
def test_a_wrong_journey_is_refused_by_its_name(tmp_path: Path, old: str, new: str) -> None:
    definition = (HERE / "journeys" / "win-back.json").read_text(encoding="utf-8")
    assert old in definition
    (tmp_path / "win-back.json").write_text(definition.replace(old, new), encoding="utf-8")
    with pytest.raises(InvalidContent, match=r"win-back\.json"):
        content.journeys(tmp_path)


@pytest.mark.parametrize("name", ["welcome-to-tier", "win-back"])
@pytest.mark.parametrize("language", content.LANGUAGES)
def test_what_is_not_known_of_a_customer_leaves_no_hole(name: str, language: str) -> None:
    unknown = content.templates().render(
        name, language, {**content.NOTHING_KNOWN, "tier": "gold", "unsubscribe": "hello@shop.example"}
    )
    for part in (unknown.subject, unknown.text, unknown.html):
        assert not {"Hello ,", "  ", " .", "，，"} & {
            part[n : n + length] for length in (2, 7) for n in range(len(part))
        }
    assert "hello@shop.example" in unknown.text
    assert not unknown.text.startswith("，")
