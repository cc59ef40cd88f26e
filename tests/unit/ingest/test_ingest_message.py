"""What SDKs send is read as they mean it."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.errors import BadRequest
from services.ingest.domain.request import body
from services.ingest.domain.values import message
from services.ingest.domain.values.message import NO_CONTEXT, Context

TRAITS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3))
CONTEXTS = st.builds(
    Context,
    traits=st.none() | st.just([]) | TRAITS,
    page=st.none() | st.fixed_dictionaries({"url": st.sampled_from("xy")}),
    locale=st.none() | st.sampled_from(["en-US", "zh-CN"]),
    historical=st.none() | st.booleans(),
)


@given(batch=CONTEXTS, item=CONTEXTS)
def test_the_items_context_wins_name_by_name(batch: Context, item: Context) -> None:
    merged = message.merged(batch, item)
    mine, theirs = message.as_dict(item.traits), message.as_dict(batch.traits)
    assert message.as_dict(merged.traits) == {**theirs, **mine}
    for name in ("page", "locale", "historical"):
        own = getattr(item, name)
        assert getattr(merged, name) == (getattr(batch, name) if own is None else own)


@given(context=CONTEXTS)
def test_no_context_changes_nothing(context: Context) -> None:
    for merged in (message.merged(NO_CONTEXT, context), message.merged(context, NO_CONTEXT)):
        assert merged == context


@given(context=CONTEXTS)
def test_merging_a_context_with_itself_changes_nothing_that_it_says(context: Context) -> None:
    merged = message.merged(context, context)
    assert message.as_dict(merged.traits) == message.as_dict(context.traits)
    assert (merged.page, merged.locale, merged.historical) == (context.page, context.locale, context.historical)


def test_an_empty_list_is_an_empty_object_as_php_means_it() -> None:
    parsed = message.parse(b'{"properties": [], "traits": [], "context": []}')
    assert message.properties(parsed) == b"{}"
    assert message.as_dict(parsed.traits) == {}
    assert message.context_in(bytes(parsed.context)) == NO_CONTEXT


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert message.parse(rb'{"event": "C:\\u0000"}').event == r"C:\u0000"


@given(text=st.text(st.characters(codec="utf-8")))
def test_repairing_halves_of_emoji_leaves_whole_texts_alone(text: str) -> None:
    document = json.dumps({"sentAt": text}).encode()
    assert body.parse(document)[0].sent_at == text
    half = document.replace(b'"sentAt": "', b'"sentAt": "\\ud800')
    assert body.parse(half)[0].sent_at == "\ufffd" + text


@given(
    content=st.dictionaries(st.text(), st.integers() | st.text() | st.none()),
    sizes=st.lists(st.integers(1, 50), min_size=1),
)
def test_a_body_is_the_same_however_it_is_cut(content: dict[str, Any], sizes: list[int]) -> None:
    document = json.dumps(content).encode()
    reader, start = body.BodyReader(), 0
    while start < len(document):
        size = sizes[start % len(sizes)]
        reader.feed(document[start : start + size])
        start += size
    assert reader.finish() == document


def test_a_body_that_unpacks_to_nothing_is_bounded_as_it_comes_in() -> None:
    nothing = gzip.compress(b"") * 600
    reader = body.BodyReader(limit_bytes=10_000)
    with pytest.raises(BadRequest, match="10000 bytes"):
        reader.feed(nothing)
