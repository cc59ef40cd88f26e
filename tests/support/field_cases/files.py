"""Cases of files: marks, encodings, decimal commas, quotes, doubles, nanoseconds, and rows without a time."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.field_cases.case import Case, Upload, ago, figures
from tests.support.field_cases.events import refunded
from tests.support.field_cases.people import identify

COLUMNS = "order_id,user_id,currency,total,ordered_at"
DONE: Mapping[str, Any] = {"state": "done", "refused": 0}
FAILED: Mapping[str, Any] = {"state": "failed", "events": 0}
CHINESE = (
    f"{COLUMNS}\r\nK-1\t,chen,CNY,64.00,2026-06-01T10:00:00+08:00\r\n订单,chen,CNY,36.00,2026-06-02T10:00:00+08:00\r\n"
)
DOUBLES = {"order_id": [2001.0, 2002.0, None], "user_id": ["dora"] * 3, "currency": ["EUR"] * 3}
NANOSECONDS = int(ago(days=300).timestamp()) * 1_000_000_000


def csv(*lines: str, answer: Mapping[str, Any] = DONE, **options: Any) -> Upload:
    """A file of orders."""
    return raw("\n".join((*lines, "")).encode(), answer=answer, **options)


def raw(content: bytes, *, answer: Mapping[str, Any] = DONE, preset: str = "orders", **options: Any) -> Upload:
    """A CSV file."""
    return Upload(content=content, options={"format": "csv", "preset": preset, **options}, answer=answer)


def parquet(columns: Mapping[str, Any], *, answer: Mapping[str, Any] = DONE) -> Upload:
    """A file of orders."""
    file = BytesIO()
    pq.write_table(pa.table(dict(columns)), file)
    return Upload(content=file.getvalue(), options={"format": "parquet", "preset": "orders"}, answer=answer)


CASES = (
    Case(
        sentence="the mark before a spreadsheet's UTF-8 is no part of its first column",
        steps=(
            raw(b"\xef\xbb\xbfordered_at,order_id,user_id,currency,total\n2025-03-04T08:00:00Z,A-1,abe,EUR,31.20\n"),
        ),
        profiles={"user_id:abe": {**figures(orders=1, EUR=31_20), "first_order_at": "2025-03-04T08:00:00Z"}},
    ),
    Case(
        sentence="the undated yes of a list does not override a customer's no",
        steps=(identify("bea", "bea-1", consent=False, email="bea@hill.example"),),
        later=(csv("user_id,email,email_consent", "bea,bea@hill.example,yes", preset="customers"),),
        profiles={"user_id:bea": {"consent": {"email": False}}},
    ),
    Case(
        sentence="a decimal comma is not taken for a separator of thousands",
        steps=(
            csv(
                COLUMNS.replace(",", ";"),
                "C-1;cid;EUR;7,25;2026-06-01T10:00:00Z",
                "C-2;cid;EUR;2.409,10;2026-06-02T10:00:00Z",
                delimiter=";",
                answer={"state": "done", "events": 0, "refused": 2},
            ),
        ),
        quarantine={"files": ["mapping", "mapping"]},
        profiles={"user_id:cid": None},
    ),
    Case(
        sentence="a file in GB18030 is read, if it is said to be one, and a tab after an id is no part of it",
        steps=(raw(CHINESE.encode("gb18030"), encoding="gb18030"),),
        later=(refunded("chen", "K-1", "K-1-back", "CNY", "4.00"),),
        profiles={"user_id:chen": figures(orders=2, CNY=96_00, refunded={"CNY": 4_00})},
    ),
    Case(
        sentence="a file in GB18030 that is said to be UTF-8 is refused whole",
        steps=(raw(CHINESE.replace("chen", "chou").encode("gb18030"), answer=FAILED),),
        profiles={"user_id:chou": None},
    ),
    Case(
        sentence="a file with a quote that is not closed is refused whole",
        steps=(
            csv(
                f"{COLUMNS},note",
                'D-1,dan,EUR,10.00,2026-06-01T10:00:00Z,"blue, 20 cm',
                "D-2,dan,EUR,20.00,2026-06-02T10:00:00Z,",
                "D-3,dan,EUR,30.00,2026-06-03T10:00:00Z,gift",
                ignore_columns=["note"],
                answer=FAILED,
            ),
        ),
        profiles={"user_id:dan": None},
    ),
    Case(
        sentence="an option that makes no sense is refused when it is given",
        steps=(csv(COLUMNS, skip=-3, answer={"status": 422, "detail": "options.skip: Expected `int` >= 0"}),),
    ),
    Case(
        sentence="the ids of a column of doubles are whole numbers, by which later events call them",
        steps=(
            parquet(
                {**DOUBLES, "total": [15.0, 25.0, 35.0], "ordered_at": ["2026-06-01T10:00:00Z"] * 3},
                answer={"state": "done", "events": 2, "refused": 1},
            ),
        ),
        later=(refunded("dora", "2001", "2001-back", "EUR", "5.00"),),
        quarantine={"files": ["required"]},
        profiles={"user_id:dora": figures(orders=2, EUR=35_00, refunded={"EUR": 5_00})},
    ),
    Case(
        sentence="nanoseconds are read to the microsecond",
        steps=(
            parquet(
                {
                    "order_id": ["E-1", "E-2"],
                    "user_id": ["eve"] * 2,
                    "currency": ["EUR"] * 2,
                    "total": [11.0, 22.0],
                    "ordered_at": pa.array([NANOSECONDS, NANOSECONDS + 7_654_321], pa.timestamp("ns", "UTC")),
                }
            ),
        ),
        profiles={
            "user_id:eve": {
                **figures(orders=2, EUR=33_00),
                "first_order_at": f"{ago(days=300):%Y-%m-%dT%H:%M:%S}Z",
                "last_order_at": f"{ago(days=300):%Y-%m-%dT%H:%M:%S}.007654Z",
            }
        },
    ),
)
