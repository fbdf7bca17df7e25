"""What happens to an order after it was placed, and what the ledger says then. All orders live through three stages.

The first settles every order as placed, the second and third what happened to it since; ``Lives`` keeps what the
ledger showed of each order after each stage.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.pairs.nopcommerce_kashflow.world import CARD, CHEQUE, PAYPAL

pytestmark = pytest.mark.django_db

TWO = [{"sku": "SKU-001", "quantity": 2}, {"sku": "SKU-002", "quantity": 1}]
OFFLINE = {"payment_method": CHEQUE, "paid": False}

# name: what is placed; what happens before the second stage; before the third
STORIES = {
    "redirect, paid later": ({"paid": False}, [("pay", {})], []),
    "offline, paid later": (OFFLINE, [("pay", {})], []),
    "edited up, then down": (
        {**OFFLINE, "lines": TWO},
        [("edit", {"lines": [TWO[0], {**TWO[1], "quantity": 3}]})],
        [("edit", {"lines": [{**TWO[0], "quantity": 1}, {**TWO[1], "quantity": 3}]})],
    ),
    "refunded": ({}, [("refund", {})], []),
    "refunded twice in part": (
        {"lines": TWO},
        [("refund", {"amount": "3.33"})],
        [("refund", {"amount": "1.01"})],
    ),
    "edited, then refunded": (
        {"lines": TWO},
        [("edit", {"lines": [TWO[0], {**TWO[1], "quantity": 2}]})],
        [("refund", {"amount": "2.00"})],
    ),
    "refunded, then edited": (
        {"lines": TWO},
        [("refund", {"amount": "2.00"})],
        [("edit", {"lines": [{**TWO[0], "quantity": 1}, TWO[1]]})],
    ),
    "refunded, then added to": (
        {"lines": TWO},
        [("refund", {"amount": "2.00"})],
        [("edit", {"lines": [TWO[0], {**TWO[1], "quantity": 2}]})],
    ),
    "cancelled unpaid": (OFFLINE, [("cancel", {})], []),
    "cancelled before it was invoiced": ({"paid": False}, [("cancel", {})], []),
    "paid, refunded and cancelled": ({"payment_method": CARD}, [("refund", {}), ("cancel", {})], []),
    "paid, cancelled, refunded later": ({"payment_method": CARD}, [("cancel", {})], [("refund", {})]),
    "gift card, then refunded": ({"gift_cards": [{"code": "LIFE-1", "amount": "5.00"}]}, [("refund", {})], []),
    "all by gift card": ({"gift_cards": [{"code": "LIFE-2", "amount": "5000.00"}]}, [], []),
    "deleted after the invoice": (OFFLINE, [("delete", {})], []),
    "deleted before the invoice": ({"paid": False}, [("delete", {})], []),
    "nothing to pay": (
        {
            "lines": [{"sku": "SKU-003", "quantity": 1, "unit_price": "0"}],
            "shipping": {"method": "Ground", "price": "0"},
        },
        [],
        [],
    ),
    "reward points and a gift card": (
        {
            "customer": {"id": 2},
            "reward_points": 300,
            "gift_cards": [{"code": "LIFE-3", "amount": "2.00"}],
        },
        [],
        [],
    ),
}


class Lives:
    def __init__(self, world):
        self.world = world
        self.ids = {name: world.order(**placed) for name, (placed, _, _) in STORIES.items()}
        self.stages = []
        self._look()
        for stage in (1, 2):
            for name, story in STORIES.items():
                for action, body in story[stage]:
                    world.act(self.ids[name], action, **body)
            self._look()

    def _look(self):
        self.world.settle()
        self.stages.append({name: self.world.documents(number) for name, number in self.ids.items()})

    def run(self, name):
        return self.world.run(self.ids[name])

    def order(self, name):
        return self.world.shop_order(self.ids[name])


@pytest.fixture(scope="module")
def lives(worlds):
    with worlds() as world:
        yield Lives(world)


def gross(*documents):
    return sum((Decimal(document["gross_amount"]) for document in documents), Decimal(0))


def paid(document):
    return [Decimal(payment["pay_amount"]) for payment in document["payments"]]


def nets(*documents):
    """Per product code quantity and net over documents, and VAT per rate."""
    codes, vat = {}, {}
    for document in documents:
        for line in document["lines"]:
            code, rate = line["product_code"], Decimal(line["vat_rate"])
            quantity, net = codes.get(code, (Decimal(0), Decimal(0)))
            codes[code] = quantity + Decimal(line["quantity"]), net + Decimal(line["net_amount"])
            vat[rate] = vat.get(rate, Decimal(0)) + Decimal(line["vat_amount"])
    return codes, vat


def test_abandoned_payment_page_leaves_nothing_until_it_is_paid(lives):
    before, after, _ = (stage["redirect, paid later"] for stage in lives.stages)
    assert before == {}
    assert set(after) == {""} and paid(after[""]) == [gross(after[""])]


def test_offline_order_is_invoiced_unpaid_and_paid_later(lives):
    before, after, _ = (stage["offline, paid later"] for stage in lives.stages)
    assert paid(before[""]) == []
    assert paid(after[""]) == [gross(before[""])] and set(after) == {""}


def test_edits_become_differences_that_together_say_what_the_order_says(lives):
    name = "edited up, then down"
    placed, up, down = (stage[name] for stage in lives.stages)
    assert (set(placed), set(up), set(down)) == ({""}, {"", "D1"}, {"", "D1", "D2"})
    assert not up["D1"]["is_credit_note"] and down["D2"]["is_credit_note"]
    truth = lives.order(name)["truth"]
    assert gross(*down.values()) == Decimal(truth["gross"])
    codes, _ = nets(*down.values())
    assert {code: (quantity, net) for code, (quantity, net) in codes.items() if code} == {
        sku: (Decimal(row["quantity"]), Decimal(row["net"]).quantize(Decimal("0.01")))
        for sku, row in truth["by_sku"].items()
    }


def test_full_refund_is_one_credit_note_with_its_payment_back(lives):
    _, after, later = (stage["refunded"] for stage in lives.stages)
    assert set(after) == {"", "CR1"} == set(later)
    assert gross(*after.values()) == 0
    assert paid(after["CR1"]) == [gross(after["CR1"])]
    _, vat = nets(*after.values())
    assert set(vat.values()) == {Decimal(0)}


def test_two_partial_refunds_are_two_credit_notes(lives):
    documents = lives.stages[2]["refunded twice in part"]
    assert (gross(documents["CR1"]), gross(documents["CR2"])) == (Decimal("-3.33"), Decimal("-1.01"))
    assert set(documents) == {"", "CR1", "CR2"}
    assert not any(line["product_code"] for number in ("CR1", "CR2") for line in documents[number]["lines"])


def test_refund_after_an_edit_is_credited(lives):
    """The edit was booked before anything was refunded, so the refund is money of its own."""
    documents = lives.stages[2]["edited, then refunded"]
    assert set(documents) == {"", "D1", "CR1"}
    assert gross(documents["CR1"]) == Decimal("-2.00")
    assert lives.run("edited, then refunded").state == "done"


def test_addition_after_a_refund_is_written_as_a_difference(lives):
    """What was added cannot be what was refunded."""
    documents = lives.stages[2]["refunded, then added to"]
    truth = lives.order("refunded, then added to")["truth"]
    assert set(documents) == {"", "CR1", "D1"}
    assert gross(documents[""], documents["D1"]) == Decimal(truth["gross"])
    assert gross(documents["CR1"]) == Decimal("-2.00")


def test_reduction_after_a_refund_is_held_with_both_amounts(lives):
    """The shop does not say whether the edit and the refund are the same money; a guess would book it twice."""
    run = lives.run("refunded, then edited")
    assert (run.state, run.error["code"]) == ("held", "edited_and_refunded")
    assert str(lives.ids["refunded, then edited"]) in run.reason and "2.00" in run.reason
    assert "KashFlow" in run.error["cure"]
    assert set(lives.stages[2]["refunded, then edited"]) == {"", "CR1"}


def test_cancelled_unpaid_order_is_credited_and_set_off(lives):
    _, after, _ = (stage["cancelled unpaid"] for stage in lives.stages)
    assert set(after) == {"", "CR1"} and gross(*after.values()) == 0
    codes, _ = nets(*after.values())
    assert {quantity for code, (quantity, _) in codes.items() if code} == {Decimal(0)}
    assert all(Decimal(document["due_amount"]) == 0 for document in after.values())


def test_order_cancelled_before_its_invoice_leaves_nothing(lives):
    assert [stage["cancelled before it was invoiced"] for stage in lives.stages] == [{}, {}, {}]


@pytest.mark.parametrize("name", ["paid, refunded and cancelled", "paid, cancelled, refunded later"])
def test_cancelled_and_refunded_order_is_credited_once_and_paid_back(lives, name):
    documents = lives.stages[2][name]
    assert set(documents) == {"", "CR1"}, name
    assert gross(*documents.values()) == 0
    assert paid(documents["CR1"]) == [gross(documents["CR1"])]


def test_paid_order_cancelled_and_not_refunded_stays_with_an_open_credit(lives):
    documents = lives.stages[1]["paid, cancelled, refunded later"]
    assert set(documents) == {"", "CR1"}
    assert paid(documents["CR1"]) == []


def test_gift_card_is_a_payment_and_its_refund_goes_back_by_money_only(lives):
    documents = lives.stages[2]["gift card, then refunded"]
    order = lives.order("gift card, then refunded")
    assert gross(documents[""]) == Decimal(order["truth"]["gross"])
    assert sorted(paid(documents[""])) == sorted([Decimal(5), Decimal(order["truth"]["gross"]) - 5])
    assert gross(documents["CR1"]) == -Decimal(order["refunded_amount"]).quantize(Decimal("0.01"))


def test_order_settled_by_a_gift_card_alone_is_invoiced_and_paid(lives):
    documents = lives.stages[0]["all by gift card"]
    assert gross(documents[""]) > 0 and paid(documents[""]) == [gross(documents[""])]


def test_points_and_gift_card_and_money_are_payments_of_their_own(lives):
    document = lives.stages[0]["reward points and a gift card"][""]
    methods = {row["method_id"]: row["method_name"] for row in lives.world.books()["payment_methods"]}
    found = {methods[payment["pay_method"]]: Decimal(payment["pay_amount"]) for payment in document["payments"]}
    # Plug-in B states one sum for both.
    assert found == {"Gift card": Decimal("5.00"), "PayPal": gross(document) - 5}


def test_order_deleted_after_its_invoice_is_held_and_before_it_left_out(lives):
    """Plug-in B shows a deleted order to nobody, so there is nothing to compute a credit note from."""
    run = lives.run("deleted after the invoice")
    assert (run.state, run.error["code"]) == ("held", "invoiced_order_gone")
    invoice = lives.stages[2]["deleted after the invoice"][""]
    assert str(lives.ids["deleted after the invoice"]) in run.reason and str(invoice["invoice_number"]) in run.reason
    assert "credit or delete the invoice" in run.error["cure"]
    assert lives.stages[2]["deleted before the invoice"] == {}


def test_order_of_nothing_has_an_invoice_of_nothing(lives):
    documents = lives.stages[2]["nothing to pay"]
    assert set(documents) == {""} and gross(documents[""]) == 0
    assert lives.run("nothing to pay").state == "done"


def test_payments_carry_the_method_and_account_of_the_table(lives):
    books = lives.world.books()
    methods = {row["method_id"]: row["method_name"] for row in books["payment_methods"]}
    accounts = {row["account_id"]: row["account_name"] for row in books["bank_accounts"]}
    found = {}
    for name, method in (("refunded", PAYPAL), ("offline, paid later", CHEQUE), ("paid, refunded and cancelled", CARD)):
        [payment] = lives.stages[2][name][""]["payments"]
        found[method] = methods[payment["pay_method"]], accounts[payment["pay_account"]]
    assert found == {
        PAYPAL: ("PayPal", "PayPal clearing"),
        CHEQUE: ("Cheque", "Current"),
        CARD: ("Card", "Card clearing"),
    }


def test_only_what_is_ambiguous_waits_for_a_person(lives):
    waiting = [name for name in STORIES if lives.run(name).state not in ("done", "skipped")]
    assert sorted(waiting) == ["deleted after the invoice", "refunded, then edited"]
