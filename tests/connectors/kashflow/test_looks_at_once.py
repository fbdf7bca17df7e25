"""After a crash very many look for their documents at once: few reads, and each finds its own."""

import asyncio

from connectors.base.actions import Verdict
from connectors.kashflow.actions.document_look import CROWD
from tests.connectors.kashflow.drafts import invoice, some_customer

LISTS = ("GetInvoicesByDateRange", "GetInvoicesForCustomer", "GET /v2/invoices")


def lists(desk):
    return sum(desk.door.count(name) for name in LISTS)


async def drafts_of(desk, count):
    """One draft per customer, all of one day."""
    ids = [await some_customer(desk, number=number) for number in range(1, 6)]
    return [invoice(ids[number % len(ids)], reference=f"NOP-{number}") for number in range(count)]


async def test_a_hundred_looks_at_once_on_one_day_cost_two_reads_at_most(desk):
    drafts = await drafts_of(desk, 100)
    for draft in drafts[:7]:
        await desk.run("create_invoice", draft)
    before = lists(desk)
    found = await asyncio.gather(*(desk.find("create_invoice", draft) for draft in drafts))
    assert lists(desk) - before <= 2
    assert [one and one.verdict for one in found] == [Verdict.SAME] * 7 + [None] * 93
    assert [one.output.reference for one in found[:7]] == [f"NOP-{number}" for number in range(7)]


async def test_a_few_looks_read_their_customers_and_share_the_day_where_those_tell_nothing(soap):
    drafts = await drafts_of(soap, CROWD - 1)
    await asyncio.gather(*(soap.find("create_invoice", draft) for draft in drafts))
    assert soap.door.count("GetInvoicesForCustomer") == CROWD - 1
    assert soap.door.count("GetInvoicesByDateRange") <= 2


async def test_looks_of_one_customer_share_a_read(soap):
    customer_id = await some_customer(soap)
    drafts = [invoice(customer_id, reference=f"NOP-{number}") for number in range(CROWD - 1)]
    await asyncio.gather(*(soap.find("create_invoice", draft) for draft in drafts))
    assert soap.door.count("GetInvoicesForCustomer") == 1
    assert soap.door.count("GetInvoicesByDateRange") == 1


async def test_a_look_asked_for_after_a_write_landed_finds_it_though_a_read_is_under_way(desk, monkeypatch):
    drafts = await drafts_of(desk, 20)
    ledger, answered, arrive = type(desk.client.ledger), asyncio.Event(), asyncio.Event()
    really = ledger.invoices_between

    async def held_up(self, first, last):
        rows = await really(self, first, last)
        answered.set()
        await arrive.wait()
        return rows

    monkeypatch.setattr(ledger, "invoices_between", held_up)
    early = [asyncio.create_task(desk.find("create_invoice", draft)) for draft in drafts[1:]]
    await answered.wait()
    await desk.run("create_invoice", drafts[0])
    late = asyncio.create_task(desk.find("create_invoice", drafts[0]))
    await asyncio.sleep(0.02)
    arrive.set()
    found = await late
    assert found is not None and found.verdict is Verdict.SAME
    assert await asyncio.gather(*early) == [None] * 19


async def test_a_day_with_too_many_documents_is_looked_for_by_customer(soap, monkeypatch):
    drafts = await drafts_of(soap, 10)
    await soap.run("create_invoice", drafts[0])
    monkeypatch.setattr(type(soap.client.ledger), "invoices_between", too_large)
    found = await asyncio.gather(*(soap.find("create_invoice", draft) for draft in drafts))
    assert [bool(one) for one in found] == [True] + [False] * 9
    assert soap.client.large_days and not soap.client.looking


async def too_large(self, first, last):
    from connectors.base.errors import Rejected

    raise Rejected("too large", code="answer_too_large")
