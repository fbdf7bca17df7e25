"""Customers: one per person, whoever asks how often; what people edited stays."""

import asyncio

import pytest

from connectors.base.errors import MappingFailed, OutcomeUnknown, Rejected
from connectors.kashflow.manifest import CONNECTOR
from tests.connectors.kashflow.drafts import customer


async def test_creates_customer_with_its_fields(desk):
    ref = await desk.run("ensure_customer", customer())
    [row] = desk.customers()
    assert ref.created and ref.id == str(row["customer_id"]) and ref.code == "NOP00042"
    assert (row["code"], row["name"], row["email"]) == ("NOP00042", "Jo Smith", "jo42@example.test")
    assert (row["address1"], row["address3"], row["postcode"]) == ("1 High Street", "Leeds", "LS1 1AA")
    assert (row["contact_first_name"], row["contact_last_name"]) == ("Jo", "Smith")
    assert row["telephone"] == "01632 960001"


async def test_second_call_finds_the_first_customer_and_writes_nothing(desk):
    first = await desk.run("ensure_customer", customer())
    sent = len(desk.door.sent)
    second = await desk.run("ensure_customer", customer())
    assert second.id == first.id and not second.created
    writes = {"InsertCustomer", "UpdateCustomer", "POST /v2/customers", "PUT /v2/customers/{code}"}
    assert not writes & {name for name, _ in desk.door.sent[sent:]}


async def test_changed_email_is_found_by_code(desk):
    first = await desk.run("ensure_customer", customer())
    second = await desk.run("ensure_customer", customer(email="new@example.test"))
    assert second.id == first.id
    assert len(desk.customers()) == 1
    # The old address was not blank and we said nothing of having written it: a person decides.
    assert "email" in second.shown


async def test_finds_by_email_then_by_code_then_nothing(desk):
    made = await desk.run("ensure_customer", customer())
    assert (await desk.run("find_customer", {"email": "jo42@example.test"})).id == made.id
    assert (await desk.run("find_customer", {"code": "NOP00042", "email": "no@example.test"})).id == made.id
    assert await desk.run("find_customer", {"code": "X", "email": "no@example.test"}) is None
    assert await desk.run("find_customer", {"code": "", "email": ""}) is None


async def test_blank_fields_are_filled_and_filled_ones_left(desk):
    await desk.run("ensure_customer", customer(phone="", address=None))
    ref = await desk.run("ensure_customer", customer(name="Somebody Else"))
    [row] = desk.customers()
    assert row["telephone"] == "01632 960001" and row["address1"] == "1 High Street"
    assert row["name"] == "Jo Smith" and ref.shown == ("name",)


async def test_what_we_wrote_last_may_change(desk):
    await desk.run("ensure_customer", customer())
    moved = customer()["address"] | {"line1": "2 Low Road", "postcode": "LS2 2BB"}
    ref = await desk.run("ensure_customer", customer(phone="0113 1", address=moved, last_written=customer()))
    [row] = desk.customers()
    assert (row["telephone"], row["address1"], row["postcode"]) == ("0113 1", "2 Low Road", "LS2 2BB")
    assert row["address3"] == "Leeds" and ref.shown == ()


async def test_what_a_person_edited_stays_as_a_whole(desk):
    await desk.run("ensure_customer", customer(address=customer()["address"] | {"line1": "Edited by hand"}))
    moved = customer()["address"] | {"line1": "2 Low Road", "line2": "Flat 9"}
    ref = await desk.run("ensure_customer", customer(address=moved, last_written=customer()))
    [row] = desk.customers()
    assert (row["address1"], row["address2"]) == ("Edited by hand", "")
    assert ref.shown == ("address",)


async def test_nothing_is_ever_blanked(desk):
    with_flat = customer()["address"] | {"line2": "Flat 4"}
    await desk.run("ensure_customer", customer(address=with_flat))
    last = customer(address=with_flat)
    ref = await desk.run("ensure_customer", customer(phone="", tax_number="", last_written=last))
    [row] = desk.customers()
    assert row["address2"] == "Flat 4" and row["telephone"] == "01632 960001"
    assert ref.shown == ("address",)


async def test_update_keeps_fields_we_know_nothing_of(soap):
    await soap.run("ensure_customer", customer(phone=""))
    [row] = soap.customers()
    assert row["payment_terms"] == 0 and row["currency_id"]
    before = row["currency_id"], row["created"]
    await soap.run("ensure_customer", customer())
    [row] = soap.customers()
    assert (row["currency_id"], row["created"]) == before and row["telephone"]


async def test_greece_is_written_as_in_vat_numbers_with_its_flag(desk):
    address = {"line1": "Odos 1", "city": "Athina", "country_code": "GR", "country_name": "Greece"}
    await desk.run("ensure_customer", customer(address=address, tax_number="EL123456789"))
    [row] = desk.customers()
    assert row["country_code"] == "EL" and row["vat_number"] == "EL123456789"
    assert (row["ec"], row["outside_ec"]) == (1, 0)


async def test_foreign_consumer_has_no_vat_flags(desk):
    address = {"line1": "Rue 1", "city": "Lyon", "country_code": "FR"}
    await desk.run("ensure_customer", customer(address=address))
    [row] = desk.customers()
    assert (row["ec"], row["outside_ec"], row["country_code"]) == (0, 0, "FR")


async def test_names_and_address_lines_are_trimmed(soap):
    client = soap.open(name_length="20", address_length="10")
    address = customer()["address"] | {"line1": "1 A Very Long Street Name"}
    await soap.run("ensure_customer", customer(name="N" * 200, address=address), soap.context(client))
    [row] = soap.customers()
    assert row["name"] == "N" * 20 and row["address1"] == "1 A Very L"


async def test_text_is_escaped_and_freed_of_what_xml_cannot_hold(soap):
    await soap.run("ensure_customer", customer(name='Smith & Søn <\x01"Ltd">'))
    assert soap.customers()[0]["name"] == 'Smith & Søn <"Ltd">'


async def test_currency_of_a_foreign_customer(desk):
    await desk.run("ensure_customer", customer(currency="EUR"))
    [row], currencies = desk.customers(), desk.books()["currencies"]
    assert row["currency_id"] == next(c["currency_id"] for c in currencies if c["currency_code"] == "EUR")
    with pytest.raises(Rejected):
        await desk.run("ensure_customer", customer(7, currency="JPY"))


async def test_preview_says_what_would_change(desk):
    action = CONNECTOR.action("ensure_customer")()

    def draft(**changes):
        return action.input.model_validate(customer(**changes))

    assert await action.foresee(desk.ctx, draft()) == ["creates customer NOP00042 Jo Smith"]
    assert action.pretend(draft()).id == "(new)" and desk.customers() == []
    await desk.run("ensure_customer", customer(phone=""))
    assert await action.foresee(desk.ctx, draft(name="Other")) == [
        "sets phone of customer NOP00042 to '01632 960001'",
        "leaves name of customer NOP00042 as it is in KashFlow",
    ]
    assert desk.customers()[0]["telephone"] == ""


async def test_code_is_required(desk):
    with pytest.raises(MappingFailed):
        await desk.run("ensure_customer", customer(code=" "))


async def test_fifty_first_orders_of_one_person_make_one_customer(desk):
    clients = [desk.open() for _ in range(5)]
    contexts = [desk.context(client) for client in clients]
    found = await asyncio.gather(*(desk.run("ensure_customer", customer(), contexts[n % 5]) for n in range(50)))
    assert len(desk.customers()) == 1
    assert len({ref.id for ref in found}) == 1
    assert sum(ref.created for ref in found) == 1


async def test_clash_of_codes_is_adopted(desk):
    """Looked, not there; somebody else inserts; ours is refused as not unique."""
    first = await desk.run("ensure_customer", customer())
    ledger, looks = desk.client.ledger, 0
    by_code = ledger.customer_by_code

    async def blind_once(code):
        nonlocal looks
        looks += 1
        return None if looks == 1 else await by_code(code)

    ledger.customer_by_code = blind_once
    ref = await desk.run("ensure_customer", customer(email=""))
    assert ref.id == first.id and not ref.created and len(desk.customers()) == 1


async def test_lost_answer_is_an_unknown_outcome_and_the_next_try_adopts(desk):
    desk.faults(
        {"kind": "cut_after", "operations": [desk.operation("InsertCustomer", "POST /v2/customers")], "times": 1}
    )
    with pytest.raises(OutcomeUnknown):
        await desk.run("ensure_customer", customer())
    ref = await desk.run("ensure_customer", customer())
    assert not ref.created and len(desk.customers()) == 1
