"""CSV files: what may mean two things is refused, by row or as a whole, before anything is published."""

import codecs
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.errors import BadDefinition
from services.ingest.service.files import NotReadable
from shared.contracts.events import ConsentChanged, CustomerIdentified
from tests.support.importing import Imported, imported

HEADER = "order_id,user_id,currency,total,ordered_at"
ROW = "K-1,kim,EUR,12.50,2026-09-05T08:00:00Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def csv(folder: Path, content: str | bytes, preset: str = "orders", **options: Any) -> Imported:
    path = folder / "file.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    chosen = {} if "mapping" in options else {"preset": preset}
    return imported(path, format="csv", **chosen, **options)


def lines(*rows: str, header: str = HEADER) -> str:
    return "\n".join((header, *rows)) + "\n"


@pytest.mark.parametrize(
    "content",
    [
        lines(ROW).encode("utf-8-sig"),
        lines(ROW).encode("utf-16"),
        codecs.BOM_UTF16_BE + lines(ROW).encode("utf-16-be"),
        lines(ROW).encode("utf-32"),
        lines(ROW).replace("\n", "\r\n").encode(),
        lines(ROW).replace("\n", "\r").encode(),
        lines("", ROW, "", ",,,,", "  ", "").encode(),
        b"\n\n" + lines(ROW).encode(),
        lines("\ufeff" + ROW).encode("utf-8-sig"),
        lines('\ufeff"K-1"' + ROW[3:]).encode(),
        lines(ROW, header=HEADER.replace(",", " , ")).encode(),
        lines(ROW, header=",".join(f'"{name}"' for name in HEADER.split(","))).encode(),
    ],
    ids=[
        "utf-8",
        "utf-16",
        "utf-16 big",
        "utf-32",
        "crlf",
        "cr",
        "empty",
        "first",
        "within",
        "within 2",
        "spaces",
        "quotes",
    ],
)
def test_marks_ends_of_lines_and_empty_lines_are_read(folder: Path, content: bytes) -> None:
    done = csv(folder, content)
    assert (done.orders, done.refused) == ([("K-1", 1250)], {})
    assert done.events[0].occurred_at == datetime.fromisoformat("2026-09-05T08:00:00Z")


def test_a_mark_that_contradicts_the_stated_encoding_is_refused(folder: Path) -> None:
    with pytest.raises(NotReadable, match="the mark of utf-8, and is said to be cp1252"):
        csv(folder, lines(ROW).encode("utf-8-sig"), encoding="cp1252")
    assert csv(folder, "\ufeff".encode("gb18030") + lines(ROW).encode(), encoding="gb18030").orders
    with pytest.raises(NotReadable, match="in UTF-16"):
        csv(folder, lines(ROW).encode("utf-16-le"))


@pytest.mark.parametrize(
    ("begin", "reason"),
    [
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"PK\x03\x04", "Excel"),
        (b"PAR1", "Parquet"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"", "no line that names the columns"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_its_first_bytes(folder: Path, begin: bytes, reason: str) -> None:
    with pytest.raises(NotReadable, match=reason):
        csv(folder, begin)


@pytest.mark.parametrize("total", ["9,90", "1.290", "1.290,00", "1,290", "(9.90)", "€ 9.90", "9.90 EUR", "9.9E+10"])
def test_an_amount_that_may_be_another_is_refused_by_its_row(folder: Path, total: str) -> None:
    done = csv(folder, lines(ROW, f'K-2,kim,EUR,"{total}",2026-09-05'))
    assert done.orders == [("K-1", 1250)]
    assert done.refused[1].startswith("column total: ")


def test_a_stated_comma_is_one_and_then_a_point_is_not(folder: Path) -> None:
    rows = ("K-1;kim;EUR;9,90;2026-09-05", "K-2;kim;EUR;1.290,00;2026-09-05", "K-3;kim;EUR;9.90;2026-09-05")
    done = csv(folder, lines(*rows, header=HEADER.replace(",", ";")), delimiter=";", decimal=",")
    assert done.orders == [("K-1", 990), ("K-2", 129000)]
    assert list(done.refused) == [2]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_read_if_it_is_stated_and_told_if_not(folder: Path, delimiter: str) -> None:
    content = lines(ROW).replace(",", delimiter)
    assert csv(folder, content, delimiter=delimiter).orders == [("K-1", 1250)]
    with pytest.raises(NotReadable, match="the file's delimiter"):
        csv(folder, content)


def test_a_row_that_is_too_short_or_too_long_is_refused(folder: Path) -> None:
    done = csv(folder, lines("K-0,kim,EUR,1.50", ROW, f"{ROW},more", f"{ROW},"))
    assert done.orders == [("K-1", 1250)]
    assert done.refused[0] == "row: 4 fields, and the file has 5 columns"
    assert list(done.refused) == [0, 2, 3]


@pytest.mark.parametrize(
    "broken",
    [
        '"never closed',
        '"closed by the next" one',
        '"he said \\"no\\""',
    ],
)
def test_a_file_in_which_a_quote_is_not_closed_is_refused_as_a_whole(folder: Path, broken: str) -> None:
    rows = (f"{ROW},fine", f"{ROW},{broken}", f'{ROW},"also fine"')
    with pytest.raises(NotReadable, match="is a quote closed"):
        csv(folder, lines(*rows, header=f"{HEADER},note"), ignore_columns=["note"])


def test_a_quote_that_swallows_rows_and_ends_by_chance_costs_its_row_and_says_so(folder: Path) -> None:
    rows = (f'{ROW},"for 15', f"K-2{ROW[3:]},-", f'K-3{ROW[3:]},a 17"', f"K-4{ROW[3:]},-")
    done = csv(folder, lines(*rows, header=f"{HEADER},note"), ignore_columns=["note"])
    assert [one for one, _ in done.orders] == ["K-4"]
    assert "looks like a row" in done.refused[0]


def test_quotes_commas_and_lines_within_a_field_are_its_own(folder: Path) -> None:
    note = '"Dear ""K"",\nplease, ring twice, thanks, and, once, more\n15"" screen"'
    done = csv(folder, lines(f"{ROW},{note}", f'{ROW},15" screen', header=f"{HEADER},note"), ignore_columns=["note"])
    assert (len(done.events), done.refused) == (2, {})


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("order_id,user_id,currency,total", "reads `ordered_at`"),
        ("order_id,currency,total,ordered_at", "reads `anonymous_id` or `email` or `phone` or `user_id`"),
        ("order_id,user_id,total,ordered_at", "reads `currency`"),
        (f"{HEADER},total", "the column `total` stands twice"),
        (f"{HEADER},total ", "the column `total` stands twice"),
        (f"{HEADER},_row", "does not know `_row`"),
    ],
)
def test_a_file_without_a_column_that_is_needed_or_with_it_twice_is_refused(
    folder: Path, header: str, reason: str
) -> None:
    with pytest.raises(NotReadable, match=reason):
        csv(folder, lines(header=header))


TILL: dict[str, Any] = {
    "rules": [
        {
            "event": "Order Completed",
            "when": "kind == 'sale'",
            "fields": {
                "userId": "card || member",
                "timestamp": {"from": "sold", "as": "time", "format": "%d/%m/%Y"},
                "properties.order_id": {"from": "slip", "as": "text"},
                "properties.currency": {"from": "money", "default": "EUR"},
                "properties.total": {"from": "rows[].price", "as": "sum"},
                "properties.note": "remark || `null`",
                "properties.products": {"each": "rows", "fields": {"sku": "article", "price": "price"}},
            },
        }
    ]
}


def test_a_mapping_needs_its_columns_but_for_alternatives_and_defaults(folder: Path) -> None:
    columns = ["kind", "member", "sold", "slip", "price", "article"]
    row = "sale,m-7,03/04/2026,S-1,4.50,tea"
    done = csv(folder, lines(row, row, header=",".join(columns)), mapping=TILL, group=["slip"])
    assert (done.orders, done.refused) == ([("S-1", 900)], {})
    assert done.events[0].occurred_at == datetime.fromisoformat("2026-04-03T00:00:00Z")
    for lost in columns:
        kept = [name for name in columns if name != lost]
        with pytest.raises(NotReadable, match=rf"{lost}"):
            csv(folder, lines(header=",".join(kept)), mapping=TILL, group=["slip"])


@pytest.mark.parametrize(
    "moment",
    ["03/04/2026", "45678", "45678.5", "1767225600", "05.09.2026", "2026", "0000-00-00", "10:30", "n/a", "2062-09-05"],
)
def test_a_time_that_is_no_iso_8601_is_refused_unless_a_mapping_states_its_form(folder: Path, moment: str) -> None:
    done = csv(folder, lines(f"K-1,kim,EUR,1.50,{moment}"))
    assert done.events == []
    assert done.refused[0].startswith("column ordered_at: ")


@pytest.mark.parametrize("time", ["", " "])
def test_an_order_without_a_time_is_refused_in_history_and_is_of_now_if_it_is_live(folder: Path, time: str) -> None:
    content = lines(f"K-1,kim,EUR,1.50,{time}")
    assert csv(folder, content).refused[0].startswith("column ordered_at: timestamp: required")
    [live] = csv(folder, content, historical=False).events
    assert not live.undated
    assert live.occurred_at == live.received_at


def test_a_consent_or_a_trait_without_a_time_is_undated(folder: Path) -> None:
    people = csv(folder, "user_id,city,email_consent,updated_at\n1,Kiel,yes,\n2,Bonn,no,2026-09-05\n", "customers")
    assert [(type(one.body), one.undated) for one in people.events] == [
        (CustomerIdentified, True),
        (CustomerIdentified, False),
    ]
    consents = csv(folder, "user_id,channel,granted\n1,email,yes\n", "consents")
    assert [(type(one.body), one.undated) for one in consents.events] == [(ConsentChanged, True)]
    live = csv(folder, "user_id,channel,granted\n1,email,yes\n", "consents", historical=False)
    assert [one.undated for one in live.events] == [False]


@pytest.mark.parametrize("field", ["5.2E+12", '"=""007"""', "#REF!", "1001.0"])
def test_an_id_that_a_spreadsheet_has_changed_is_refused_by_its_row(folder: Path, field: str) -> None:
    done = csv(folder, lines(ROW, f"{field},kim,EUR,1.50,2026-09-05", f"K-3,{field},EUR,1.50,2026-09-05"))
    assert done.orders == [("K-1", 1250)]
    assert done.refused[1].startswith("column order_id: ")
    assert done.refused[2].startswith("column user_id: ")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"skip": -1}, "options.skip"),
        ({"delimiter": ""}, "options.delimiter"),
        ({"delimiter": ";;"}, "options.delimiter"),
        ({"delimiter": '"'}, "options.delimiter"),
        ({"encoding": "klingon"}, "options.encoding"),
        ({"encoding": "base64"}, "options.encoding"),
        ({"encoding": ""}, "options.encoding"),
        ({"decimal": "x"}, "options.decimal"),
        ({"columns": ["a", "a"]}, "options.columns"),
        ({"group": [""]}, "options.group"),
        ({"group": "order_id"}, "options.group"),
        ({"preset": "dreams"}, "options.preset"),
        ({"format": "parquet", "delimiter": ";"}, "options.delimiter"),
        ({"format": "ndjson", "encoding": "gb18030"}, "options.encoding"),
        ({"historical": "yes"}, "options.historical"),
        ({"mapping": TILL, "preset": "", "decimal": ","}, "options.decimal"),
    ],
)
def test_an_invalid_option_is_refused_by_its_name(folder: Path, options: dict[str, Any], named: str) -> None:
    with pytest.raises(BadDefinition, match=named):
        imported(folder / "none", **{"format": "csv", "preset": "orders", **options})


fields = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(st.lists(st.lists(fields, min_size=3, max_size=3), max_size=6))
def test_what_is_quoted_as_it_should_be_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, rows: Sequence[Sequence[str]]
) -> None:
    """Whatever a field holds: each row is read whole, or refused; none is lost in another."""
    folder = tmp_path_factory.mktemp("csv")
    quoted = "".join(",".join('"' + one.replace('"', '""') + '"' for one in row) + "\r\n" for row in rows)
    mapping = {"rules": [{"event": "x", "fields": {"userId": {"value": "u"}, "properties.all": "[a, b, c]"}}]}
    done = csv(folder, "a,b,c\r\n" + quoted, mapping=mapping, historical=False)
    filled = [row for row in rows if any(row)]
    assert len(done.events) + len(done.refused) == len(filled)
    if not done.refused:
        assert [getattr(one.body, "properties", {})["all"] for one in done.events] == [list(row) for row in filled]
