"""One cause, whatever record it meets; two causes, whenever class, codes, step or field differ."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import errors
from connectors.base.errors import ConnectorError, Held, MappingFailed, OutcomeUnknown, Rejected, Retryable
from connectors.base.http import Effect
from connectors.kashflow.refusals import refusal
from flows.engine.walker import HeldItem
from runs.causes import Cause, cause_of, cause_of_items, code_plain, field_plain, step_plain

STEP_IDS = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
KEYS = st.text(max_size=20)  # anything a provider may use as the key of an item: brackets, dots, digits
ROWS = st.integers(min_value=0, max_value=9999)
AMOUNTS = st.decimals(min_value=0, max_value=999999, places=2, allow_nan=False, allow_infinity=False)
MOMENTS = st.datetimes(timezones=st.just(UTC))
IDS = st.one_of(st.integers(10**5, 10**12).map(str), st.uuids().map(str), st.binary(min_size=10).map(lambda b: b.hex()))
CLASSES = st.sampled_from([Rejected, Held, MappingFailed, OutcomeUnknown, Retryable])
CODES = st.sampled_from(["unknown_sku", "status_404", "status_409", "period_closed", "missing_order", "no_answer"])
PROVIDER_CODES = st.sampled_from(["", "401", "503", "E-17", "DuplicateInvoice", "LOCKED_2"])


@st.composite
def meetings(draw):
    """What one record adds to an error: its id, its money, when, which of its items."""
    number, amount, at = draw(IDS), draw(AMOUNTS), draw(MOMENTS)
    return {
        "text": f"Order {number} of {amount} GBP at {at.isoformat()} was refused.",
        "operator_text": f"create answered 422 for {number}: {draw(st.text(max_size=30))}",
        "request_id": draw(IDS),
        "details": {"total": str(amount), "seen": at.isoformat(), "id": number},
        "key": draw(KEYS),
        "row": draw(ROWS),
    }


def error_of(kind, code, provider_code, step, field, meeting):
    flow, node, leaf = step
    return kind(
        meeting["text"],
        operator_text=meeting["operator_text"],
        code=code,
        provider_code=provider_code,
        request_id=meeting["request_id"],
        field=f"{field[0]}[{meeting['row']}].{field[1]}",
        details={**meeting["details"], "step": f"{flow}.{node}[{meeting['key']}].{leaf}"},
    )


PARTS = st.tuples(
    CLASSES, CODES, PROVIDER_CODES, st.tuples(STEP_IDS, STEP_IDS, STEP_IDS), st.tuples(STEP_IDS, STEP_IDS)
)


@given(PARTS, meetings(), meetings())
def test_another_record_is_the_same_cause(parts, one, other):
    assert cause_of(error_of(*parts, one)) == cause_of(error_of(*parts, other))


@given(PARTS, PARTS, meetings())
def test_another_class_code_step_or_field_is_another_cause(parts, others, meeting):
    if parts != others:
        assert cause_of(error_of(*parts, meeting)) != cause_of(error_of(*others, meeting))


@given(STEP_IDS, STEP_IDS, st.lists(st.tuples(STEP_IDS, KEYS), min_size=1, max_size=3), KEYS)
def test_item_keys_never_reach_the_fingerprint(flow, leaf, loops, key):
    """Also of a for-each in a for-each, and with keys that look like parts of a path."""
    path = flow + "".join(f".{node}[{inner}]" for node, inner in loops) + f".{leaf}"
    same = flow + f".{loops[0][0]}[{key}].{leaf}"
    assert step_plain(path) == step_plain(same) == f"{flow}.{loops[0][0]}[].{leaf}"


@given(IDS, IDS, AMOUNTS, AMOUNTS)
def test_a_providers_own_words_lose_what_they_quote(one, other, amount, larger):
    def said(number, money):
        return refusal("InsertInvoice", f"Customer '{number}' has a limit of {money} on invoice {number}", Effect.READ)

    assert cause_of(said(one, amount)) == cause_of(said(other, larger))
    assert cause_of(said(one, amount)) != cause_of(refusal("InsertInvoice", "The nominal is unknown", Effect.READ))


@given(st.one_of(IDS, AMOUNTS.map(lambda amount: f"{amount:.2f}"), MOMENTS.map(datetime.isoformat)))
def test_a_provider_code_that_is_a_records_number_does_not_split_a_cause(value):
    first = Cause("Rejected", "refused", value).fingerprint
    assert first == Cause("Rejected", "refused", str(Decimal("12345.67"))).fingerprint


@pytest.mark.parametrize("code", ["401", "503", "E-17", "unknown_sku", "DuplicateInvoice", "INVALID_FIELD"])
def test_short_codes_are_kept_as_they_are(code):
    assert code_plain(code) == code


@pytest.mark.parametrize(
    ("field", "plain"),
    [("lines[2].sku", "lines[].sku"), ("lines.2.sku", "lines[].sku"), ("lines.12", "lines[]"), ("sku2", "sku2"),
     ("settings.vat_codes", "settings.vat_codes"), ("lines[2].taxes[0].rate", "lines[].taxes[].rate")],
)  # fmt: skip
def test_row_numbers_are_dropped_from_fields(field, plain):
    assert field_plain(field) == plain


def test_fields_of_different_depth_stay_apart():
    assert field_plain("lines[2].taxes[0].rate") != field_plain("lines[2].rate")


def test_giving_up_is_a_cause_of_its_own_and_keeps_what_was_tried():
    busy, gone = Retryable("busy", code="busy"), Retryable("gone", code="gone")
    assert len({cause_of(busy), cause_of(busy, gave_up=True), cause_of(gone, gave_up=True)}) == 3


class TestParts:
    """Runs that went through except for some of their items."""

    def item(self, key, code):
        return HeldItem(f"flow.payments[{key}].pay", key, Held("no", code=code))

    def test_order_and_number_of_the_parts_do_not_matter(self):
        one, two = self.item("a", "x"), self.item("b", "y")
        assert cause_of_items([one, two]) == cause_of_items([two, one]) == cause_of_items([self.item("c", "x")])

    def test_it_is_not_the_cause_of_a_run_held_as_a_whole(self):
        whole = Held("no", code="x", details={"step": "flow.payments[a].pay"})
        assert cause_of_items([self.item("a", "x")]) != cause_of(whole)


def family(kind=ConnectorError):
    return [kind, *(member for child in kind.__subclasses__() for member in family(child))]


@pytest.mark.parametrize("kind", [kind for kind in family() if kind.__module__ == errors.__name__])
def test_every_class_says_what_to_do(kind):
    assert kind("what happened").cure.endswith(".")
    assert kind("what happened", cure="Press this.").cure == "Press this."
