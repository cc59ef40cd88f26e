"""Uploads of customers: read alike however they are cut, each bad row named, nothing kept that can't be."""

import contextlib
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.uploads import (
    MAX_BAD_ROWS,
    MAX_LINE_BYTES,
    MAX_ROWS,
    Entry,
    Format,
    UnreadableUpload,
    UploadReader,
)
from shared.contracts.identity import Identity, Namespace
from tests.support.events import NOON
from tests.support.examples import at_least

ANN = UUID("00000000-0000-4000-8000-000000000001")
LATER = NOON + timedelta(days=1)


def read(format_: Format, *parts: bytes, expires_at: datetime | None = None) -> UploadReader:
    reader = UploadReader(format_, now=NOON, expires_at=expires_at)
    for part in parts:
        for _ in reader.feed(part):
            pass
    reader.finish()
    return reader


def mail(value: str) -> Identity:
    return Identity(Namespace.EMAIL, value)


def reasons(reader: UploadReader) -> dict[int, str]:
    return {one.row: one.reason for one in reader.bad}


def test_customers_are_named_by_profile_ids_and_by_identities_in_their_normal_form() -> None:
    rows = f"ref,expires_at\n{ANN},\n email:Ann@Example.COM ,{LATER.isoformat()}\r\n\nuser_id@shop-a:42,\n"
    found = read("csv", b"\xef\xbb\xbf" + rows.encode())
    assert found.entries == [
        Entry(row=2, profile_id=ANN),
        Entry(row=3, identity=mail("ann@example.com"), expires_at=LATER),
        Entry(row=5, identity=Identity(Namespace("user_id@shop-a"), "42")),
    ]
    assert found.bad == []


def test_json_lines_say_the_same() -> None:
    lines = [{"ref": str(ANN)}, {"ref": "email:ann@example.com", "expires_at": "2026-03-02T13:00:00+01:00"}]
    found = read("ndjson", b"\n".join(map(msgspec.json.encode, lines)), expires_at=LATER + timedelta(days=1))
    assert found.entries == [
        Entry(row=1, profile_id=ANN, expires_at=LATER + timedelta(days=1)),
        Entry(row=2, identity=mail("ann@example.com"), expires_at=LATER),
    ]


def test_each_bad_row_is_named_with_its_line_and_why_and_the_others_are_taken() -> None:
    rows = b"""ref,expires_at
user_id:42,
nonsense,
planet:42,
email:nobody,
phone:030 123456,
user_id:null,
,
user_id:1,2026-02-30
user_id:1,2026-01-01T00:00:00Z
user_id:1,2027-01-01T00:00:00
user_id:1
"user_id:1,
user_id:\xff,
user_id:a\x00b,
user_id:43,
"""
    found = read("csv", rows)
    assert [one.row for one in found.entries] == [2, 16]
    said = reasons(found)
    assert list(said) == list(range(3, 16))
    for row, word in {
        3: "neither",
        4: "no namespace",
        5: "no email",
        6: "its country",
        7: "no user_id",
        8: "empty",
        9: "no time",
        10: "is over",
        11: "with a zone",
        12: "1 fields",
        13: "not CSV",
        14: "UTF-8",
        15: "U+0000",
    }.items():
        assert word in said[row], (row, said[row])


def test_bad_json_lines_are_named() -> None:
    found = read("ndjson", b'{"ref": "user_id:1"}\n{"ref": 1}\n{"ref": "user_id:1", "colour": "red"}\n[\n"\xff"\n{}\n')
    assert [one.row for one in found.entries] == [1]
    assert list(reasons(found)) == [2, 3, 4, 5, 6]


def test_a_header_must_name_the_columns() -> None:
    for header in (b"email", b"ref,colour", b"ref,ref", b"expires_at", b"ref;expires_at", b'"ref', b"\xff\xfer"):
        with pytest.raises(UnreadableUpload, match="row 1"):
            read("csv", header + b"\nuser_id:42\n")


def test_an_upload_with_no_row_too_many_or_too_long_ones_is_refused_whole() -> None:
    with pytest.raises(UnreadableUpload, match="no rows"):
        read("csv", b"ref\n")
    with pytest.raises(UnreadableUpload, match="no row could be taken") as raised:
        read("csv", b"ref\nnonsense\n")
    assert [one["at"] for one in raised.value.errors] == ["row 2"]
    with pytest.raises(UnreadableUpload, match=f"more than {MAX_BAD_ROWS} bad rows"):
        read("ndjson", b"{}\n" * (MAX_BAD_ROWS + 1))
    with pytest.raises(UnreadableUpload, match="longer than"):
        read("csv", b"ref\n", b"x" * (MAX_LINE_BYTES + 1))
    with pytest.raises(UnreadableUpload, match=f"more than {MAX_ROWS} rows"):
        read("csv", b"ref\n", b"user_id:4\n" * (MAX_ROWS + 1))


@settings(max_examples=at_least(100))
@given(st.data())
def test_an_upload_is_read_alike_however_it_is_cut(data: st.DataObject) -> None:
    line = st.one_of(
        st.sampled_from([b"user_id:1,", b"", b"nonsense,", b"email:a@example.com,2027-01-01T00:00:00Z", b"x,y,z"]),
        st.binary(max_size=12),
    )
    body = b"ref,expires_at\nuser_id:42,\n" + b"\n".join(data.draw(st.lists(line, max_size=8)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    whole, cut = read("csv", body), read("csv", *parts)
    assert (whole.entries, whole.bad) == (cut.entries, cut.bad)


@settings(max_examples=at_least(150))
@given(st.binary(max_size=60), st.sampled_from(("csv", "ndjson")))
def test_no_bytes_make_anything_but_entries_bad_rows_or_a_refusal(noise: bytes, format_: Format) -> None:
    with contextlib.suppress(UnreadableUpload):
        found = read(format_, b"ref\n" if format_ == "csv" else b"", noise)
        assert all(one.reason for one in found.bad)
        assert all((one.profile_id is None) != (one.identity is None) for one in found.entries)
