"""The shipped pair, walked end to end against a shop and a ledger in memory."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pair_fakes import PairHost, Worlds, line, next_attempt, order, pair_host, walk_record

from connectors.base.errors import Held, OutcomeUnknown, Rejected, Retryable
from connectors.base.records import (
    Customer,
    CustomerRef,
    DocumentKind,
    OrderStatus,
    PaymentStatus,
    Product,
    Tender,
    TenderKind,
)
from connectors.registry import CONNECTORS
from flows.engine.checks import definition_check
from flows.prebuilt import prebuilt_keys, prebuilt_pair


def walked(host: PairHost, **event: Any) -> dict[str, Any]:
    return asyncio.run(walk_record(host, event))


def started(first: Any = None, **more: Any) -> PairHost:
    return pair_host(Worlds(orders={"1001": first or order()}), **more)


def changed(host: PairHost, now: Any, **more: Any) -> PairHost:
    host.world.orders["1001"] = now
    return next_attempt(host, **more)


def test_every_prebuilt_pair_is_sound_against_its_connectors() -> None:
    for key in prebuilt_keys():
        assert definition_check(prebuilt_pair(key), CONNECTORS) == []


def test_an_unknown_pair_is_not_found() -> None:
    with pytest.raises(KeyError):
        prebuilt_pair("../nopcommerce-kashflow")


def test_a_paid_order_becomes_one_invoice_with_its_payment() -> None:
    host = started()
    results = walked(host)
    world = host.world
    assert world.references == ["NOP-1001"]
    invoice = world.by_reference("NOP-1001")
    assert (invoice.kind, invoice.gross, invoice.issued_date.isoformat()) == (
        DocumentKind.INVOICE,
        Decimal("15.00"),
        "2026-03-04",
    )
    assert [one.nominal for one in invoice.lines] == ["100", "101"]
    assert next(iter(world.customers.values())).email == "anna@example.org"
    (paid,) = world.payments
    assert (paid.document_number, paid.amount, paid.method, paid.account) == (
        "1",
        Decimal("15.00"),
        "PayPal",
        "PayPal clearing",
    )
    assert {key: result.outcome for key, result in results.items()} == {
        "order-to-invoice": "done",
        "payment-to-payment": "done",
        "refund-to-credit": "done",
    }
    assert host.facts["document_number"] == "1" and host.facts["pending"] is None and host.facts["amount"] == "15.00"


def test_every_further_event_changes_nothing() -> None:
    host = started()
    walked(host)
    before = list(host.world.written)
    for repeat in (False, True):
        walked(next_attempt(host, may_be_a_repeat=repeat))
    assert host.world.written == before


def test_the_order_is_read_once_per_attempt() -> None:
    host = started()
    walked(host)
    assert len(host.reads["shop"]) == 1


@pytest.mark.parametrize("nth", [0, 1, 2])
def test_a_lost_answer_at_any_write_is_looked_for_and_nothing_doubles(nth: int) -> None:
    """The write landed, its answer did not arrive; the next attempt adopts what is there."""
    host = started()
    operation = ["ensure_customer", "create_invoice", "record_payment"][nth]

    class LoseAt(Worlds):
        def __getattribute__(self, name: str) -> Any:
            if name == "lose_answer":
                written = object.__getattribute__(self, "written")
                lost = object.__getattribute__(self, "__dict__").setdefault("lost", [])
                if written and written[-1][0] == operation and not lost:
                    lost.append(1)
                    return True
                return False
            return object.__getattribute__(self, name)

    host.world = LoseAt(orders=host.world.orders)
    with pytest.raises(OutcomeUnknown):
        walked(host)
    assert host.journal.open
    walked(next_attempt(host, may_be_a_repeat=True))
    world = host.world
    assert (len(world.customers), world.references, len(world.payments)) == (1, ["NOP-1001"], 1)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"payment_status": PaymentStatus.PENDING}, "once it is paid"),
        ({"payment_status": PaymentStatus.AUTHORIZED}, "once it is paid"),
        ({"status": OrderStatus.CANCELLED}, "was cancelled before"),
        ({"deleted": True}, "was deleted before"),
        ({"placed_at": datetime(2025, 12, 31, tzinfo=UTC)}, "before the start date"),
    ],
)
def test_an_order_that_is_not_to_be_invoiced_is_skipped_with_the_reason(state: dict[str, Any], reason: str) -> None:
    host = started(order(**state))
    results = walked(host)
    assert reason in results["order-to-invoice"].reason
    assert {result.outcome for result in results.values()} == {"skipped"}
    assert not host.world.written


def test_an_import_may_reach_back_before_the_start_date() -> None:
    host = started(order(placed_at=datetime(2025, 12, 31, tzinfo=UTC)))
    walked(host, imported=True)
    assert host.world.references == ["NOP-1001"]


def test_an_order_that_no_longer_exists_is_skipped() -> None:
    host = pair_host(Worlds())
    assert walked(host)["order-to-invoice"].reason == "The order no longer exists in the shop."


def test_when_to_invoice_follows_the_payment_method() -> None:
    """C25: redirect gateways on paid, offline methods on placing, unpaid."""
    host = started(order(payment_status=PaymentStatus.PENDING, payment_method="Payments.CheckMoneyOrder"))
    walked(host)
    assert host.world.references == ["NOP-1001"] and not host.world.payments
    paid = order(payment_method="Payments.CheckMoneyOrder")
    walked(changed(host, paid))
    assert host.world.references == ["NOP-1001"] and len(host.world.payments) == 1


def test_sold_but_not_invoiced_is_told_for_the_stock() -> None:
    """C24: the quantity for the shop leaves out what no invoice has lowered yet."""
    host = started(order(payment_status=PaymentStatus.PENDING, lines=(line(quantity=Decimal(3)),)))
    walked(host)
    assert host.facts["pending"] == {"MUG": 3}
    walked(paid := changed(host, order(lines=(line(quantity=Decimal(3)),))))
    assert paid.facts["pending"] is None


def test_figures_that_do_not_add_up_are_held_before_anything_is_written() -> None:
    host = started(order(arithmetic_note="lines 15.00, total 16.00"))
    with pytest.raises(Held, match=r"lines 15\.00, total 16\.00") as caught:
        walked(host)
    assert caught.value.code == "source_arithmetic" and caught.value.cure
    assert not host.world.written and host.facts["pending"] == {"MUG": 1}


def test_the_customers_own_rule_holds_the_order() -> None:
    rules = [{"check": "order.gross < 10", "otherwise": "hold", "message": "Order {order.number} is too large"}]
    host = started(settings={"extra_rules": rules})
    with pytest.raises(Held, match="Order 1001 is too large"):
        walked(host)


def test_an_unknown_sku_is_flagged_and_the_order_part_processed() -> None:
    host = started(settings={"unknown_sku": "flag"})
    walked(host)
    (mug, _) = host.world.by_reference("NOP-1001").lines
    assert mug.product_code == "" and mug.description.startswith("[UNKNOWN SKU] ")


def test_a_known_sku_keeps_its_product_through_the_table() -> None:
    host = started(settings={"unknown_sku": "flag", "sku_table": {"MUG": "BM-01"}})
    host.world.products["BM-01"] = Product(source_id="1", sku="BM-01", name="Mug", price=Decimal(1))
    walked(host)
    assert host.world.by_reference("NOP-1001").lines[0].product_code == "BM-01"


def test_a_ledger_that_computes_vat_anew_is_noticed_at_every_attempt_until_it_is_right() -> None:
    host = started()
    host.world.recomputes_by = Decimal("0.01")
    for _ in range(2):
        with pytest.raises(Held) as caught:
            walked(host)
        assert caught.value.code == "ledger_recomputed"
        host = next_attempt(host)
    host.world.recomputes_by = Decimal(0)
    walked(host)
    assert host.world.references == ["NOP-1001"] and len(host.world.payments) == 1


def test_gift_card_and_payment_together_pay_the_invoice() -> None:
    tender = Tender(kind=TenderKind.GIFT_CARD, amount=Decimal("5.00"), reference="GC1")
    paid = order()
    part = paid.payments[0].model_copy(update={"amount": Decimal("10.00")})
    host = started(paid.model_copy(update={"tenders": (tender,), "payments": (part,), "total": Decimal("10.00")}))
    walked(host)
    assert [(one.method, one.amount) for one in host.world.payments] == [
        ("Gift card", Decimal("5.00")),
        ("PayPal", Decimal("10.00")),
    ]
    assert host.world.by_reference("NOP-1001").gross == Decimal("15.00")


def test_a_payment_method_that_is_not_posted_is_left_to_the_bank_feed() -> None:
    table = {"Payments.PayPalStandard": {"method": "", "account": "", "post": False}}
    host = started(settings={"payment_methods": table})
    walked(host)
    assert host.world.references == ["NOP-1001"] and not host.world.payments


def test_an_unknown_payment_method_holds_the_payment_not_the_invoice() -> None:
    host = started(settings={"payment_methods": {}})
    with pytest.raises(Held) as caught:
        walked(host)
    assert caught.value.code == "payment_method"
    assert host.world.references == ["NOP-1001"] and not host.world.payments


def test_a_payment_without_an_invoice_is_held_with_a_cure() -> None:
    from pair_fakes import PAIR

    from flows.engine.walker import walk

    flow = next(flow for flow in PAIR.flows if flow.key == "payment-to-payment")
    with pytest.raises(Held) as caught:
        asyncio.run(walk(flow, {}, started()))
    assert caught.value.code == "payment_without_invoice" and "Run the order again" in caught.value.cure


def test_guests_may_share_one_customer() -> None:
    guest = Customer(guest=True, email="g@example.org", first_name="G")
    host = started(order(customer=guest), settings={"guest_customers": "shared"})
    walked(host)
    assert list(host.world.customers) == ["WEBSALES"]
    assert host.world.customers["WEBSALES"].email == ""


def refunded(amount: str, **more: Any) -> Any:
    status = PaymentStatus.REFUNDED if amount == "15.00" else PaymentStatus.PARTIALLY_REFUNDED
    return order(payment_status=status, refunded_total=Decimal(amount), **more)


def test_refunds_become_credit_notes_for_what_is_not_credited_yet() -> None:
    host = started()
    walked(host)
    walked(host := changed(host, refunded("4.00")))
    walked(host := changed(host, refunded("4.00")))
    walked(host := changed(host, refunded("15.00")))
    world = host.world
    assert world.references == ["NOP-1001", "NOP-1001-CR1", "NOP-1001-CR2"]
    assert [draft.gross for _, draft in world.documents] == [Decimal("15.00"), Decimal("-4.00"), Decimal("-11.00")]
    assert [(one.document_number, one.amount) for one in world.payments] == [
        ("1", Decimal("15.00")),
        ("2", Decimal("-4.00")),
        ("3", Decimal("-11.00")),
    ]
    assert all(not one.product_code for one in world.by_reference("NOP-1001-CR1").lines)


def test_money_goes_back_even_when_the_attempt_broke_after_the_credit_note() -> None:
    host = started()
    walked(host)
    host = changed(host, refunded("4.00"))
    host.world.lose_answer = True
    with pytest.raises(OutcomeUnknown):
        walked(host)
    walked(next_attempt(host, may_be_a_repeat=True))
    assert host.world.references == ["NOP-1001", "NOP-1001-CR1"]
    assert [one.amount for one in host.world.payments] == [Decimal("15.00"), Decimal("-4.00")]


def test_a_credit_note_of_an_earlier_refund_is_found_and_the_rest_credited_next() -> None:
    host = started()
    walked(host)
    host = changed(host, refunded("4.00"))
    host.world.lose_answer = True
    with pytest.raises(OutcomeUnknown):
        walked(host)
    host = changed(host, refunded("9.00"), may_be_a_repeat=True)
    with pytest.raises(Retryable) as caught:
        walked(host)
    assert caught.value.code == "credit_of_earlier_state"
    walked(host := next_attempt(host, may_be_a_repeat=True))
    assert host.world.balance == Decimal("6.00")
    assert host.world.references == ["NOP-1001", "NOP-1001-CR1", "NOP-1001-CR2"]
    assert sum(one.amount for one in host.world.payments) == Decimal("6.00")


def unpaid(**more: Any) -> Any:
    return order(payment_status=PaymentStatus.PENDING, payment_method="Payments.CheckMoneyOrder", **more)


def test_a_cancelled_unpaid_order_is_credited_restocked_and_set_off() -> None:
    host = started(unpaid())
    walked(host)
    for _ in range(2):
        walked(host := changed(host, unpaid(status=OrderStatus.CANCELLED)))
    world = host.world
    assert world.references == ["NOP-1001", "NOP-1001-CR1"] and world.balance == 0
    goods = [one for one in world.by_reference("NOP-1001-CR1").lines if one.product_code]
    assert [(one.product_code, one.quantity) for one in goods] == [("MUG", Decimal(-1))]
    applied = [data for key, data in world.written if key == "apply_credit_note"]
    assert applied == [{"invoice_number": "1", "credit_number": "2", "reference": "NOP-1001-CR1"}]


def test_a_cancelled_paid_order_is_credited_and_its_money_goes_back_when_refunded() -> None:
    host = started()
    walked(host)
    walked(host := changed(host, order(status=OrderStatus.CANCELLED)))
    assert host.world.balance == 0 and len(host.world.payments) == 1
    walked(host := changed(host, refunded("15.00", status=OrderStatus.CANCELLED)))
    assert host.world.references == ["NOP-1001", "NOP-1001-CR1"]
    assert [(one.document_number, one.amount) for one in host.world.payments][1:] == [("2", Decimal("-15.00"))]


@pytest.mark.parametrize("policy", ["delete_unpaid", "hold"])
def test_the_cancel_policy_is_the_customers(policy: str) -> None:
    host = started(unpaid(), settings={"cancel_policy": policy})
    walked(host)
    host = changed(host, unpaid(status=OrderStatus.CANCELLED))
    if policy == "hold":
        with pytest.raises(Held) as caught:
            walked(host)
        assert caught.value.code == "cancelled_after_invoice"
        return
    walked(host)
    walked(next_attempt(host))
    deleted = [data for key, data in host.world.written if key == "delete_invoice"]
    assert deleted == [{"number": "1", "reference": "NOP-1001", "expected_gross": Decimal("15.00")}]


def test_an_edited_order_becomes_the_difference() -> None:
    host = started(unpaid())
    walked(host)
    more = unpaid(lines=(line(net="16.66", tax="3.34", quantity=Decimal(2)), *order().lines[1:]))
    for _ in range(2):
        walked(host := changed(host, more))
    world = host.world
    assert world.references == ["NOP-1001", "NOP-1001-D1"] and world.balance == more.gross
    walked(host := changed(host, unpaid()))
    assert world.references[-1] == "NOP-1001-D2" and world.balance == Decimal("15.00")
    assert world.by_reference("NOP-1001-D2").kind is DocumentKind.CREDIT_NOTE


def test_new_booking_rules_do_not_rewrite_what_is_posted() -> None:
    host = started(unpaid())
    walked(host)
    walked(next_attempt(host, settings={**host.settings, "nominal_sales": "106"}))
    assert host.world.references == ["NOP-1001"]


def test_an_order_edited_and_refunded_is_held() -> None:
    host = started()
    walked(host)
    less = order(lines=(line(),), payment_status=PaymentStatus.PARTIALLY_REFUNDED, refunded_total=Decimal("5.00"))
    with pytest.raises(Held) as caught:
        walked(changed(host, less))
    # The payments then no longer come to the gross either, whichever is noticed first.
    assert caught.value.code in ("edited_and_refunded", "payment_sum")
    assert host.world.references == ["NOP-1001"]


def test_an_invoice_of_an_earlier_state_is_remembered_and_held() -> None:
    """C5: ours, but the order has changed while the outcome was unknown."""
    host = started(unpaid())

    host.world.documents.append(("1", _draft_of(unpaid(lines=(line(),)))))
    with pytest.raises(Held) as caught:
        walked(next_attempt(host, may_be_a_repeat=True))
    assert caught.value.code == "posted_unknown"
    assert host.world.references == ["NOP-1001"]


def _draft_of(earlier: Any) -> Any:
    host = started(earlier)
    walked(host)
    return host.world.by_reference("NOP-1001")


def test_the_order_status_goes_back_only_when_asked() -> None:
    host = started(order(status=OrderStatus.PENDING))
    walked(host)
    assert not [key for key, _ in host.world.written if key == "set_order_status"]
    host = next_attempt(host, settings={**host.settings, "status_after_invoice": "processing", "note_on_order": True})
    walked(host)
    walked(next_attempt(host))
    sent = [(key, data) for key, data in host.world.written if key in ("set_order_status", "add_order_note")]
    assert sent == [
        ("add_order_note", {"order_id": "1001", "text": "Invoice 1 (NOP-1001)", "reference": "NOP-1001"}),
        ("set_order_status", {"order_id": "1001", "status": OrderStatus.PROCESSING}),
    ]


def stock_host(**more: Any) -> PairHost:
    world = Worlds(
        products={
            "BM-01": Product(source_id="1", sku="BM-01", name="Mug", price=Decimal(7), quantity=10, nominal="100")
        },
        shop_products={"MUG": Product(source_id="9", sku="MUG", name="Mug", price=Decimal(6), quantity=10)},
    )
    settings = {"sku_table": {"MUG": "BM-01"}, **more}
    return pair_host(world, settings=settings, record_type="ledger_product", record_id="BM-01")


def test_stock_for_the_shop_leaves_out_what_is_sold_and_not_invoiced() -> None:
    host = stock_host()
    walked(host, pending={"BM-01": 3})
    assert [(data["sku"], data["quantity"]) for key, data in host.world.written if key == "set_stock"] == [("MUG", 7)]


def test_stock_that_is_right_already_is_not_written() -> None:
    host = stock_host()
    walked(host, pending={})
    assert not host.world.written


@pytest.mark.parametrize("gone", ["BM-01", "MUG"])
def test_stock_of_a_product_only_one_side_has_is_skipped(gone: str) -> None:
    host = stock_host()
    host.world.products.pop(gone, None)
    host.world.shop_products.pop(gone, None)
    assert walked(host, pending={})["stock-to-shop"].outcome == "skipped"


def test_products_and_prices_go_the_chosen_way() -> None:
    host = stock_host(stock_direction="none", prices_direction="ledger_to_shop")
    walked(host)
    assert [data for key, data in host.world.written] == [
        {"sku": "MUG", "name": None, "price": Decimal(7), "create_missing": False}
    ]
    host = stock_host(prices_direction="shop_to_ledger", products_direction="none")
    host.world.shop_products["9"] = host.world.shop_products["MUG"]
    host.record_type, host.record_id = "product", "9"
    walked(host)
    ((key, data),) = host.world.written
    assert (key, data["sku"], data["price"], data["nominal"], data["name"]) == (
        "upsert_product",
        "BM-01",
        Decimal("6.00"),
        "100",
        "Mug",
    )


def test_a_registered_customer_is_made_known_in_the_ledger_every_time_it_changes() -> None:
    host = pair_host(Worlds(), settings={"customers_direction": "both"}, record_type="customer", record_id="7")
    walked(host)
    walked(next_attempt(host))
    assert [key for key, _ in host.world.written] == ["ensure_customer", "ensure_customer"]
    assert len(host.world.customers) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Anna Lee", {"first_name": "Anna", "last_name": "Lee"}), ("Potters Ltd", {"company": "Potters Ltd"})],
)
def test_a_customer_of_the_ledger_is_made_known_in_the_shop(name: str, expected: dict[str, str]) -> None:
    world = Worlds(ledger_customers={"P1": CustomerRef(id="3", code="P1", email="A@b.c ", name=name)})
    host = pair_host(world, settings={"customers_direction": "both"}, record_type="ledger_customer", record_id="P1")
    walked(host)
    ((_, data),) = world.written
    assert data["customer"]["email"] == "a@b.c"
    assert {key: data["customer"][key] for key in expected} == expected


def test_a_customer_who_came_from_the_shop_is_not_sent_back() -> None:
    world = Worlds(ledger_customers={"NOPX": CustomerRef(id="3", code="NOPX", email="a@b.c", name="A B")})
    host = pair_host(world, settings={"customers_direction": "both"}, record_type="ledger_customer", record_id="NOPX")
    assert walked(host)["customer-to-shop"].outcome == "skipped"


def test_a_preview_writes_nothing_and_shows_every_write() -> None:
    host = started(dry_run=True)
    results = walked(host)
    assert not host.world.written and not host.links.known
    planned = {step.path for step in host.journal.steps if step.state == "planned"}
    assert {
        "order-to-invoice.write.customer",
        "order-to-invoice.write.invoice",
        "payment-to-payment.each[payment:cap-1].record",
    } <= planned
    assert results["order-to-invoice"].outcome == "done"


def test_a_refusal_by_the_ledger_is_told_with_the_step() -> None:
    host = started(settings={"nominal_sales": ""})
    with pytest.raises(Exception, match="No nominal code") as caught:
        walked(host)
    assert caught.value.details["step"] == "order-to-invoice.write.draft"  # type: ignore[attr-defined]
    assert not isinstance(caught.value, Rejected)
