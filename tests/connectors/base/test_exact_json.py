"""Amounts survive the way out and in, digit by digit."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import exact_json

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False) | st.integers()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_round_trip(value):
    sent = exact_json.dumps(value)
    assert exact_json.loads(sent) == value
    json.loads(sent)  # and another reader finds it well-formed


@given(NUMBERS)
def test_a_number_is_written_as_a_number(number):
    text = exact_json.dumps(number).decode()
    assert '"' not in text and len(text) < 200
    assert Decimal(text) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [("0.10", "0.10"), ("1E+2", "100"), ("-0.00", "-0.00"), ("1E-7", "0.0000001"), ("19.990000000000000001",) * 2],
)
def test_how_amounts_look(value, text):
    assert exact_json.dumps(Decimal(value)).decode() == text


def test_text_kinds_and_sequences():
    class Kind(StrEnum):
        A = "a"

    assert exact_json.dumps({Kind.A: (Kind.A, True, 1)}) == b'{"a":["a",true,1]}'


@pytest.mark.parametrize("value", [0.1, {"a": [1.0]}, {1: "a"}, b"x", {1, 2}, object()])
def test_what_has_no_exact_form(value):
    with pytest.raises(TypeError):
        exact_json.dumps(value)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), Decimal("sNaN")])
def test_what_is_no_number(value):
    with pytest.raises(ValueError, match="NaN and infinity"):
        exact_json.dumps(value)
