import pytest

from connectors.base.errors import MappingFailed
from connectors.base.records import Address, Customer
from flows.engine.documents.addresses import address_lines, standard_address, standard_postcode
from flows.engine.documents.customer import customer_code, customer_draft
from flows.engine.documents.rules import GuestCustomers
from flows.engine.documents.stock import stock_target
from tests.flows.documents.document_rules import rules


def test_guest_and_account_with_one_email_have_one_code():
    guest = Customer(guest=True, email=" Jo@Example.test ")
    account = Customer(source_id="42", email="jo@example.test")
    assert customer_code(guest, "WEB") == customer_code(account, "WEB")
    assert customer_code(guest, "WEB") != customer_code(Customer(email="jo2@example.test"), "WEB")


def test_the_code_does_not_change_between_releases():
    assert customer_code(Customer(email="jo@example.test"), "WEB") == "WEBGR2YKQWEVP"


def test_without_an_email_the_shops_id_counts():
    assert customer_code(Customer(source_id="42"), "WEB") != customer_code(Customer(source_id="43"), "WEB")


def test_a_customer_without_any_identity_points_at_the_email():
    with pytest.raises(MappingFailed) as failed:
        customer_code(Customer(guest=True), "WEB")
    assert failed.value.field == "customer.email"


def test_guests_may_share_one_customer():
    shared = rules(guest_customers=GuestCustomers.SHARED, shared_guest_code="WEBSALES")
    draft = customer_draft(customer=Customer(guest=True, email="jo@example.test", first_name="Jo"), rules=shared)
    assert (draft.code, draft.name, draft.email, draft.first_name) == ("WEBSALES", "Web sales", "", "")
    registered = customer_draft(customer=Customer(source_id="1", email="jo@example.test"), rules=shared)
    assert registered.code != "WEBSALES"


def test_first_and_last_name_are_the_name_unless_there_is_a_company():
    person = Customer(email="jo@example.test", first_name="Jo", last_name="Bloggs")
    assert customer_draft(customer=person, rules=rules()).name == "Jo Bloggs"
    firm = person.model_copy(update={"company": "Bloggs Ltd"})
    assert customer_draft(customer=firm, rules=rules()).name == "Bloggs Ltd"


@pytest.mark.parametrize(
    ("typed", "country", "standard"),
    [
        ("sw1a1aa", "GB", "SW1A 1AA"),
        ("SW1A  1AA", "GB", "SW1A 1AA"),
        ("m1-1ae", "GB", "M1 1AE"),
        ("gir 0aa", "GB", "GIR 0AA"),
        ("10115", "DE", "10115"),
        ("1234 ab", "NL", "1234 AB"),
        ("nonsense", "GB", "NONSENSE"),
    ],
)
def test_postcodes(typed: str, country: str, standard: str):
    assert standard_postcode(typed, country) == standard


def test_an_address_is_trimmed_coded_and_without_repeats():
    standard = standard_address(
        Address(
            recipient="  Jo   Bloggs ",
            company="JO BLOGGS",
            line1=" 1  High Street ,",
            line2="1 high street",
            city="York",
            region="york",
            postcode="yo17hh",
            country_code="uk",
            country_name="Great Britain",
        )
    )
    assert (standard.recipient, standard.company) == ("Jo Bloggs", "")
    assert (standard.line1, standard.line2, standard.region) == ("1 High Street", "", "")
    assert (standard.postcode, standard.country_code, standard.country_name) == ("YO1 7HH", "GB", "United Kingdom")
    assert address_lines(standard) == ("1 High Street", "York")


def test_a_long_line_flows_into_the_next_without_cutting_words():
    long = "Flat 12, The Old Granary, Riverside Business Park, Lower Wharf Road"
    standard = standard_address(Address(line1=long))
    assert standard.line1 == "Flat 12, The Old Granary, Riverside Business Park"
    assert standard.line2 == "Lower Wharf Road"


def test_a_word_longer_than_the_line_is_cut_hard_and_goes_on():
    standard = standard_address(Address(line1="x" * 70))
    assert (len(standard.line1), len(standard.line2)) == (50, 20)


def test_only_a_second_line_moves_up():
    assert standard_address(Address(line2="Unit 4")).line1 == "Unit 4"


def test_standardising_twice_changes_nothing():
    once = standard_address(
        Address(line1=" ".join(map(str, range(100, 130))), city="York", postcode="yo17hh", country_code="EL")
    )
    assert standard_address(once) == once
    assert once.country_code == "GR"


@pytest.mark.parametrize(("ledger", "pending", "shop"), [(10, 3, 7), (3, 3, 0), (2, 5, 0), (-1, 0, 0)])
def test_stock_for_the_shop_is_what_no_waiting_order_needs(ledger: int, pending: int, shop: int):
    assert stock_target(ledger, pending) == shop
