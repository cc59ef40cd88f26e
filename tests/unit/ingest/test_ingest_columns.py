"""Messages about a file's columns: those that a preset does not know, and those for which a row was refused."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.ingest.commands import import_file
from services.ingest.domain.definitions.mapping import parse
from services.ingest.domain.formats import columns
from services.ingest.domain.formats.files import PRESETS, FileFormat, Options
from services.ingest.service.files import UnknownColumns, examine
from shared.database.migrate import ROOT

MINE = ["order_id", "customer_id", "email", "ordered_at", "currency", "total", "sku", "category", "quantity", "price"]
TILL = parse(
    json.dumps(
        {
            "rules": [
                {
                    "event": "Order Completed",
                    "fields": {
                        "userId": "card",
                        "timestamp": {"from": "sold", "as": "time"},
                        "properties.currency": "money",
                        "properties.products": {"each": "lines", "fields": {"price": {"from": "each_cost"}}},
                    },
                }
            ]
        }
    ).encode()
)


def orders(**options: object) -> Options:
    return Options(**{"format": FileFormat.CSV, "preset": "orders", **options})  # type: ignore[arg-type]


def test_columns_that_a_preset_does_not_know_are_told_with_the_nearest_that_it_does() -> None:
    problem = columns.unknown(orders(), MINE)
    assert "`customer_id` (known: user_id)" in problem
    assert "`sku`, `category`, `quantity`, `price`" in problem
    assert "--ignore-columns 'customer_id,sku,category,quantity,price'" in problem
    assert columns.unknown(orders(ignore_columns=("customer_id", "sku", "category", "quantity", "price")), MINE) == ""
    assert columns.unknown(orders(), ["order_id", "user_id"]) == ""


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("Order ID", "order_id"),
        ("orderid", "order_id"),
        ("Email", "email"),
        ("total ", "total"),
        ("order_date", "ordered_at"),
        ("UserID", "user_id"),
    ],
)
def test_a_name_that_is_written_otherwise_is_recognised(name: str, nearest: str) -> None:
    assert f"`{name}` (known: {nearest})" in columns.unknown(orders(), [name])


def test_of_a_mapping_every_column_is_taken_as_it_is_meant() -> None:
    assert columns.unknown(Options(format=FileFormat.CSV, mapping=TILL), ["whatever"]) == ""


def test_what_a_mapping_and_a_file_have_not_in_common_is_noted() -> None:
    till = Options(format=FileFormat.CSV, mapping=TILL, group=("shop",))
    assert columns.notes(till, ["card", "sold", "money", "lines", "each_cost", "shop"]) == []
    assert columns.notes(till, ["cards", "sold", "money", "lines", "each_cost", "colour"]) == [
        "the mapping does not read `cards`, `colour`",
    ]
    sums = parse(b'{"rules": [{"event": "x", "when": "kind == `1`", "fields": {"a": {"from": "rows[].value"}}}]}')
    assert columns.notes(Options(format=FileFormat.CSV, mapping=sums), ["kind", "value"]) == []
    assert columns.problem(till, ["cards", "sold", "money", "lines", "each_cost", "colour", "shop"]) == (
        "the mapping reads `card` (known: cards), which the file does not have"
    )


def test_exports_of_the_tracking_api_have_more_beside_what_is_read() -> None:
    options = orders(preset="tracking")
    assert columns.unknown(options, ["type", "userId", "integrations", "receivedAt"]) == ""
    assert "`user_id` (known: userId)" in columns.unknown(options, ["type", "user_id"])


def test_every_format_is_looked_through_before_anything_is_published(tmp_path: Path) -> None:
    csv, ndjson, parquet = (tmp_path / f"orders.{name}" for name in FileFormat)
    csv.write_text("a comment\norder_id,custommer\n1,2\n")
    rows = [{"order_id": "1"}] * 3_000 + [{"order_id": "2", "custommer": "9"}]
    ndjson.write_text("".join(f"{json.dumps(row)}\n" for row in rows) + "no json\n")
    pq.write_table(pa.table({"order_id": ["1"], "custommer": ["2"]}), parquet)
    for path, options in (
        (csv, orders(skip=1)),
        (csv, orders(skip=2, columns=("order_id", "custommer"))),
        (ndjson, orders(format=FileFormat.NDJSON)),
        (parquet, orders(format=FileFormat.PARQUET)),
    ):
        with pytest.raises(UnknownColumns, match="`custommer`"):
            examine(path, options)


@pytest.mark.parametrize(
    ("reason", "named_columns"),
    [
        ("rules[0].fields.timestamp: 'x' is not a time", "column sold: "),
        ("rules[0].fields.properties.products.fields.price: 'x' is not a number", "column each_cost: "),
        ("currency: required; send an ISO 4217 code in properties.currency", "column money: "),
        ("timestamp, sentAt: too far apart", "column sold: "),
        ("identity: send a userId", "column card: "),
        ("row: more fields than there are columns", ""),
        ("rules[7].fields.timestamp: of another mapping", ""),
    ],
)
def test_a_reason_names_the_files_column_before_the_rule(reason: str, named_columns: str) -> None:
    assert columns.named(reason, TILL) == named_columns + reason


def test_to_pass_over_a_column_makes_no_other_import_and_a_finished_one_keeps_its_id() -> None:
    assert orders().fingerprint() == orders(ignore_columns=("sku",)).fingerprint()
    # As the release before `ignore_columns` made it.
    assert orders().fingerprint().hex() == "0938634398a08dd858114b2f35582ff42cfcac30e85865bf04c69c1bd90a1357"


def test_a_mapping_of_before_a_decimal_could_be_unstated_keeps_its_imports_ids() -> None:
    def mapped(**stated: str) -> str:
        fields = {
            "userId": "card",
            "properties.total": {"from": "sum", "as": "number", **stated},
            "properties.tax": {"from": "tax", "as": "number", "decimal": ","},
            "properties.it": {"value": {"decimal": "", "as": 1}},
        }
        document = parse(json.dumps({"rules": [{"event": "x", "fields": fields}]}).encode())
        return Options(format=FileFormat.CSV, mapping=document).fingerprint().hex()

    # As the release before made it.
    assert mapped() == "bc6f9c2df28743587a3e5d71005cfd3ec657c906f062c00f2488fa1c72da4e2f"
    assert len({mapped(), mapped(decimal="."), mapped(decimal=",")}) == 3
    assert len({orders(decimal=sign).fingerprint() for sign in ("", ".", ",")}) == 3


def test_the_page_on_imports_lists_what_each_preset_reads_and_so_does_the_help() -> None:
    page, help_ = (ROOT / "docs" / "imports.md").read_text(), " ".join(import_file.parser().format_help().split())
    for preset in PRESETS:
        section = page.split(f"## {preset}\n", 1)[1].split("\n## ", 1)[0]
        listed = re.findall(r"^\| `(\w+)` \| `([\w.]+)` \| ([\w ]+) \|", section, re.MULTILINE)
        assert listed == [(one.name, one.target, one.read_as) for one in columns.columns_of(preset)]
        assert f"{preset}: {', '.join(name for name, *_ in listed)}" in help_
