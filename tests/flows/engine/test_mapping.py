"""Every kind of mapping the customer asked for (P6), one test each, and what holds for all of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base.errors import MappingFailed
from flows.engine.definition import FieldMap
from flows.engine.mapping import FieldsMapping
from flows.engine.merging import records_merge
from flows.engine.paths import PathError, parse_path
from flows.engine.transforms import TRANSFORMS
from flows.engine.values import MISSING

SCOPE: dict[str, Any] = {
    "order": {
        "number": "1001",
        "first": " Anna ",
        "last": "O'Neil",
        "full_name": "Anna Maria O'Neil",
        "total": "1,234.565",
        "placed_at": datetime(2026, 3, 29, 23, 30, tzinfo=UTC),
        "ordered": "28/03/2026 18:05",
        "note": "<p>Ring <b>twice</b> &amp; wait</p><br>Thanks",
        "company": None,
        "method": "Payments.PayPal",
        "lines": [{"sku": "A", "qty": 2, "net": Decimal("8.33")}, {"sku": "B", "qty": 1, "net": Decimal("1.67")}],
    },
    "product": {"tax_class": "reduced"},
    "settings": {"methods": {"payments.paypal": {"method": "PayPal"}}, "zone": "Europe/London"},
}


def mapped(*fields: dict[str, Any], scope: dict[str, Any] | None = None) -> dict[str, Any]:
    return FieldsMapping([FieldMap.model_validate(field) for field in fields]).apply(scope or SCOPE)


def one(**field: Any) -> Any:
    return mapped({"target": "x", **field})["x"]


def test_p6_one_to_one() -> None:
    assert mapped({"target": "reference", "source": "order.number"}) == {"reference": "1001"}


def test_p6_one_to_many_splits_a_value() -> None:
    record = mapped(
        {
            "targets": ["first", "rest"],
            "source": "order.full_name",
            "transforms": [{"split": {"separator": " ", "limit": 2}}],
        }
    )
    assert record == {"first": "Anna", "rest": "Maria O'Neil"}
    assert one(source="order.full_name", transforms=[{"split": {"separator": " ", "index": -1}}]) == "O'Neil"


def test_p6_many_to_one_concatenates() -> None:
    field = {
        "sources": ["order.first", "order.last", "order.company"],
        "transforms": [{"join": {"separator": " "}}, "trim"],
    }
    assert one(**field) == "Anna O'Neil"


@pytest.mark.parametrize(
    ("to", "value", "expected"),
    [
        ("number", "1,234.50", Decimal("1234.50")),
        ("integer", "12", 12),
        ("boolean", "Yes", True),
        ("text", Decimal("1.50"), "1.50"),
        ("date", "2026-03-04", date(2026, 3, 4)),
        ("datetime", "2026-03-04T10:00:00Z", datetime(2026, 3, 4, 10, tzinfo=UTC)),
    ],
)
def test_p6_type_conversion(to: str, value: Any, expected: Any) -> None:
    assert one(value=value, transforms=[{"convert": {"to": to}}]) == expected


@pytest.mark.parametrize(("to", "value"), [("number", "x"), ("integer", "1.5"), ("boolean", "maybe"), ("date", "soon")])
def test_a_value_that_does_not_convert_is_refused_with_its_field(to: str, value: str) -> None:
    with pytest.raises(MappingFailed) as caught:
        one(value=value, transforms=[{"convert": {"to": to}}])
    assert caught.value.field == "x"


def test_p6_date_conversion_respects_the_time_zone() -> None:
    assert one(source="order.placed_at", transforms=[{"date": {"zone": {"from": "settings.zone"}}}]) == date(
        2026, 3, 30
    )
    assert one(source="order.placed_at", transforms=[{"date": {"zone": "UTC"}}]) == date(2026, 3, 29)
    parsed = one(
        source="order.ordered", transforms=[{"datetime": {"format": "%d/%m/%Y %H:%M", "zone": "Europe/Athens"}}]
    )
    assert parsed == datetime(2026, 3, 28, 16, 5, tzinfo=UTC)
    shown = [{"format_date": {"format": "%d.%m.%Y", "zone": "Europe/London"}}]
    assert one(source="order.placed_at", transforms=shown) == "30.03.2026"
    assert one(value=date(2026, 2, 27), transforms=[{"add_days": {"days": 2}}]) == date(2026, 3, 1)


def test_p6_conditions() -> None:
    wholesale = {"target": "type", "value": "partner", "when": "order.lines[0].qty > 1"}
    other = {"target": "type", "value": "person", "when": "order.lines[0].qty <= 1"}
    assert mapped(wholesale, other) == {"type": "partner"}
    assert one(formula="'big' if number(order.total) > 1000 else 'small'") == "big"


def test_p6_enrichment_takes_fields_of_another_record() -> None:
    assert one(source="product.tax_class") == "reduced"


def test_p6_lookup_and_translation_tables() -> None:
    table = {"from": "settings.methods"}
    assert one(source="order.method", transforms=[{"translate": {"table": table}}]) == {"method": "PayPal"}
    assert one(value="Cash", transforms=[{"translate": {"table": table, "keep": True}}]) == "Cash"
    assert one(value="Cash", transforms=[{"translate": {"table": table, "default": "Other"}}]) == "Other"
    with pytest.raises(MappingFailed, match="not in the translation table"):
        one(value="Cash", transforms=[{"translate": {"table": table}}])


def test_p6_concatenate_and_split_round_trip() -> None:
    joined = one(value=["a", "b", "c"], transforms=[{"join": {"separator": ";"}}])
    assert joined == "a;b;c"
    assert one(value=joined, transforms=[{"split": {"separator": ";"}}]) == ["a", "b", "c"]


CANDIDATES = [
    {"source": "shop", "email": "a@b.c", "phone": "", "city": "Leeds", "updated_at": "2026-01-01T00:00:00Z"},
    {"source": "ledger", "email": "", "phone": "123", "city": "York", "updated_at": "2026-02-01T00:00:00Z"},
    {"source": "crm", "email": "x@b.c", "phone": "9", "city": "Hull", "vat": "GB1", "updated_at": None},
]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"rule": "newest"}, {"source": "ledger", "email": "a@b.c", "phone": "123"}),
        ({"rule": "most_complete"}, {"source": "shop", "email": "a@b.c", "phone": "123"}),
        ({"rule": "prefer_source", "order": ["crm", "shop"]}, {"source": "crm", "email": "x@b.c", "phone": "9"}),
        ({"rule": "newest", "fill_blanks": False}, {"source": "ledger", "email": "", "phone": "123"}),
    ],
)
def test_p6_merge_rules_for_duplicates(rule: dict[str, Any], expected: dict[str, str]) -> None:
    candidates = CANDIDATES if rule["rule"] != "most_complete" else CANDIDATES[:2]
    merged = one(value=candidates, transforms=[{"merge": rule}])
    assert {name: merged[name] for name in expected} == expected


def test_merging_nobody_gives_nobody_and_ties_keep_their_order() -> None:
    assert records_merge([], rule="newest") is None
    twins = [{"source": "a", "n": 1}, {"source": "b", "n": 2}]
    assert records_merge(twins, rule="most_complete", fill_blanks=False) == twins[0]


@pytest.mark.parametrize(
    ("transforms", "value", "expected"),
    [
        (["trim"], "  a   b ", "a b"),
        (["upper"], "sw1a", "SW1A"),
        (["lower"], "A@B.C", "a@b.c"),
        (["title_case"], "ANNA lee", "Anna Lee"),
        ([{"truncate": {"length": 5}}], "abcdefgh", "abcde"),
        ([{"truncate": {"length": 5, "ellipsis": "…"}}], "abcdefgh", "abcd…"),
        ([{"replace": {"old": "-", "new": "/"}}], "a-b-c", "a/b/c"),
        ([{"prefix": {"text": "NOP-"}}], 17, "NOP-17"),
        ([{"suffix": {"text": "!"}}], "a", "a!"),
        ([{"pad_left": {"length": 5}}], 42, "00042"),
        (["round"], "2.675", Decimal("2.68")),
        ([{"round": {"places": 0}}], "-2.5", Decimal("-3")),
        (["abs"], Decimal("-2"), Decimal("2")),
        (["negate"], "2.50", Decimal("-2.50")),
        ([{"pluck": {"path": "a"}}], [{"a": 1}, {"b": 2}], [1]),
        ([{"sum": {"path": "a"}}], [{"a": "1.5"}, {"a": 2}], Decimal("3.5")),
        (["first"], [], None),
        (["first"], ["a", "b"], "a"),
    ],
)
def test_transform(transforms: list[Any], value: Any, expected: Any) -> None:
    assert one(value=value, transforms=transforms) == expected


def test_strip_html_keeps_words_and_breaks() -> None:
    assert one(source="order.note", transforms=["strip_html"]) == "Ring twice & wait\nThanks"


def test_lists_are_mapped_element_by_element() -> None:
    each = [{"target": "code", "source": "item.sku"}, {"target": "net", "source": "item.net", "transforms": ["negate"]}]
    assert one(source="order.lines", each=each) == [
        {"code": "A", "net": Decimal("-8.33")},
        {"code": "B", "net": Decimal("-1.67")},
    ]


def test_missing_and_null_differ() -> None:
    assert mapped({"target": "x", "source": "order.company"}) == {"x": None}
    assert mapped({"target": "x", "source": "order.nothing"}) == {}
    assert one(source="order.nothing", default="-") == "-"
    assert one(source="order.company", default="-") == "-"


@pytest.mark.parametrize("source", ["order.nothing", "order.company"])
def test_a_required_field_without_a_value_is_refused(source: str) -> None:
    with pytest.raises(MappingFailed) as caught:
        one(source=source, required=True)
    assert (caught.value.code, caught.value.field) == ("required_field_empty", "x")


def test_a_refusal_inside_a_list_names_the_element() -> None:
    with pytest.raises(MappingFailed) as caught:
        one(
            source="order.lines",
            each=[{"target": "n", "source": "item.sku", "transforms": [{"convert": {"to": "number"}}]}],
        )
    assert caught.value.field == "x[0].n"


def test_mapping_over_a_record_leaves_the_record_alone() -> None:
    base = {"address": {"city": "Leeds", "lines": ["a"]}}
    fields = FieldsMapping(
        [FieldMap(target="address.city", value="York"), FieldMap(target="address.lines[0]", value="b")]
    )
    assert fields.apply(SCOPE, base) == {"address": {"city": "York", "lines": ["b"]}}
    assert base == {"address": {"city": "Leeds", "lines": ["a"]}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("order.lines[1].sku", "B"),
        ("order.lines[].sku", ["A", "B"]),
        ("order.lines[].nothing", []),
        ("order.lines[7].sku", MISSING),
        ("order.company.name", None),
        ("order.number.x", MISSING),
        ("nothing.at.all", MISSING),
    ],
)
def test_paths_read(path: str, expected: Any) -> None:
    assert parse_path(path).read(SCOPE) == expected


@pytest.mark.parametrize("text", ["", ".", "a.", "a..b", "a[", "a[x]", "a b", "[0]", "a.[0]", "1a", "a[-1]", "x" * 201])
def test_a_bad_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        parse_path(text)


names = st.text(alphabet="abc", min_size=1, max_size=3)
scalars = st.one_of(st.none(), st.text(max_size=20), st.integers(), st.decimals(allow_nan=False, allow_infinity=False))
paths = st.lists(st.one_of(names, st.just("[0]")), min_size=1, max_size=5).map(
    lambda parts: "r" + "".join(part if part.startswith("[") else f".{part}" for part in parts)
)


@given(paths, scalars)
def test_what_is_written_can_be_read_back(text: str, value: Any) -> None:
    record: dict[str, Any] = {}
    parse_path(text).write(record, value)
    assert parse_path(text).read(record) == value


values = st.recursive(
    scalars | st.booleans(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
)
simple = st.sampled_from([name for name in TRANSFORMS if name not in ("translate", "merge", "add_days", "pluck")])
ARGUMENTS = {
    "truncate": {"length": 5},
    "prefix": {"text": "p"},
    "suffix": {"text": "s"},
    "pad_left": {"length": 4},
    "replace": {"old": "a"},
    "convert": {"to": "number"},
}


@given(values, st.lists(simple, max_size=3))
def test_any_value_maps_or_is_refused_with_its_field(value: Any, chain: list[str]) -> None:
    transforms = [{name: ARGUMENTS.get(name, {})} for name in chain]
    try:
        mapped({"target": "x", "value": value, "transforms": transforms})
    except MappingFailed as error:
        assert error.field == "x" and error.cure


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2040, 1, 1)))
def test_a_day_is_the_day_on_the_wall_there(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    london = one(value=aware, transforms=[{"date": {"zone": "Europe/London"}}])
    assert london in (moment.date(), (moment + timedelta(hours=1)).date())
