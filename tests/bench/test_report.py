from bench.report import LIMITS, limits_of, markdown_of, text_of

FOUND = {
    "flow_vs_raw_0ms": 0.5,
    "flow_vs_task_0ms": 1.5,
    "pss_mb": 380.0,
    "recovery_s": 7.0,
    "recovery_limit_s": 8.0,
    "low_rate_p99_ms": 40.0,
    "flow_runs": [
        {"name": "causeway", "target_ms": 0.0, "orders_per_s": 300.0},
        {"name": "raw reference", "target_ms": 0.0, "orders_per_s": 600.0},
    ],
}


def test_every_figure_stands_beside_its_limit():
    limits = limits_of(FOUND)
    assert limits["flow_vs_raw_0ms"] == {"limit": 0.45, "at_least": True, "met": True}
    assert limits["flow_vs_task_0ms"]["met"] is False
    assert limits["pss_mb"] == {"limit": 500.0, "at_least": False, "met": True}
    assert limits["recovery_s"]["limit"] == 8.0


def test_what_is_only_reported_has_no_limit():
    assert "low_rate_p99_ms" not in limits_of(FOUND)
    assert LIMITS["low_rate_p99_ms"].text in text_of(FOUND)


def test_bars_show_shares_of_the_fastest():
    text = text_of(FOUND)
    ours, raw = (next(line for line in text.splitlines() if name in line) for name in ("causeway", "raw reference"))
    assert ours.count("█") == 20
    assert raw.count("█") == 40
    assert "NO six calls: of one queue task per order" in text


def test_tables_for_a_page_say_what_was_missed():
    text = markdown_of(FOUND)
    assert "| six calls, target at once: of the raw reference | 0.5 | ≥ 0.45 |" in text
    assert "| six calls: of one queue task per order | 1.5 (missed) | ≥ 2 |" in text
