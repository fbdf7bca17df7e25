"""What answers say of call limits; what cannot be read says nothing."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base.limit_headers import Learned, retry_after_seconds, standard_limit, steady_limit, window_limit

BIGCOMMERCE = {
    "x-rate-limit-time-window-ms": "30000",
    "x-rate-limit-time-reset-ms": "12500",
    "x-rate-limit-requests-quota": "150",
    "x-rate-limit-requests-left": "37",
}
READERS = [window_limit, steady_limit, standard_limit]


def test_a_window_with_what_is_left_of_it():
    assert window_limit(BIGCOMMERCE) == Learned(left=37, reset_seconds=12.5, calls=150, per_seconds=30)


def test_a_window_without_its_length_still_says_what_is_left():
    said = {name: BIGCOMMERCE[name] for name in ("x-rate-limit-requests-left", "x-rate-limit-time-reset-ms")}
    assert window_limit(said) == Learned(left=37, reset_seconds=12.5)


def test_what_is_left_says_nothing_without_its_end():
    assert window_limit({"x-rate-limit-requests-left": "37"}) is None


def test_a_steady_rate():
    assert steady_limit({"x-amzn-ratelimit-limit": "0.0056"}) == Learned(calls=0.0056, per_seconds=1)


@pytest.mark.parametrize("prefix", ["", "x-"])
def test_the_standard_names(prefix):
    said = {f"{prefix}ratelimit-limit": "100", f"{prefix}ratelimit-remaining": "4", f"{prefix}ratelimit-reset": "50"}
    assert standard_limit(said) == Learned(left=4, reset_seconds=50)


def test_a_reset_may_be_a_moment():
    moment = datetime(2026, 11, 20, 9, 0, 30, tzinfo=UTC).timestamp()
    said = {
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(int(moment)),
        "date": "Fri, 20 Nov 2026 09:00:00 GMT",
    }
    assert standard_limit(said) == Learned(left=0, reset_seconds=30)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("value", ["", "soon", "-5", "nan", "inf", "1e5", "²", "9" * 400, "0x10", "1,000"])
def test_what_is_no_number_says_nothing(reader, value):
    names = [*BIGCOMMERCE, "x-amzn-ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]
    assert reader(dict.fromkeys(names, value)) is None


@pytest.mark.parametrize("reader", READERS)
@given(headers=st.dictionaries(st.sampled_from([*BIGCOMMERCE, "x-amzn-ratelimit-limit", "date"]), st.text()))
def test_no_header_breaks_a_reader(reader, headers):
    said = reader(headers)
    assert said is None or said.per_seconds is None or said.per_seconds > 0


def test_zero_is_no_limit_but_may_be_what_is_left():
    assert steady_limit({"x-amzn-ratelimit-limit": "0"}) is None
    assert window_limit(BIGCOMMERCE | {"x-rate-limit-requests-left": "0"}).left == 0


def test_a_date_is_measured_from_the_senders_clock_first():
    asked = {"retry-after": "Fri, 20 Nov 2026 09:00:30 GMT"}
    now = datetime(2026, 11, 20, 9, 0, 10, tzinfo=UTC)
    assert retry_after_seconds(asked, now) == 20
    assert retry_after_seconds(asked | {"date": "Fri, 20 Nov 2026 09:00:00 GMT"}, now) == 30
