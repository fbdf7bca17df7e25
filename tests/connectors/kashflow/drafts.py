"""Drafts as flows would hand them over."""

from decimal import Decimal


def customer(number=42, **changes):
    return {
        "code": f"NOP{number:05d}",
        "source_id": str(number),
        "email": f"jo{number}@example.test",
        "name": "Jo Smith",
        "first_name": "Jo",
        "last_name": "Smith",
        "phone": "01632 960001",
        "address": {
            "line1": "1 High Street",
            "city": "Leeds",
            "postcode": "LS1 1AA",
            "country_code": "GB",
            "country_name": "United Kingdom",
        },
        **changes,
    }


def line(description="Blue mug", quantity="2", unit_price="8.33", tax="3.33", rate="20", nominal="100", sku="", **more):
    return {
        "description": description,
        "quantity": quantity,
        "unit_price": unit_price,
        "tax": tax,
        "tax_rate": rate,
        "nominal": nominal,
        "product_code": sku,
        **more,
    }


def invoice(customer_id, reference="NOP-1001", lines=None, **changes):
    lines = [line()] if lines is None else lines
    net = sum((Decimal(row["quantity"]) * Decimal(row["unit_price"]) for row in lines), Decimal(0))
    tax = sum((Decimal(row["tax"]) for row in lines), Decimal(0))
    return {
        "kind": "credit_note" if net < 0 else "invoice",
        "reference": reference,
        "customer_id": customer_id,
        "issued_date": "2026-03-04",
        "due_date": "2026-03-04",
        "currency": "GBP",
        "lines": lines,
        "net": str(net),
        "tax": str(tax),
        "gross": str(net + tax),
        **changes,
    }


def payment(number, amount="19.99", **changes):
    return {
        "document_number": number,
        "amount": amount,
        "currency": "GBP",
        "paid_date": "2026-03-04",
        "method": "Card",
        "account": "Card clearing",
        "reference": "pay-1001",
        **changes,
    }


async def some_customer(desk, number=42):
    return (await desk.run("ensure_customer", customer(number))).id


async def some_invoice(desk, **changes):
    """An invoice of 19.99 for a customer of its own."""
    return await desk.run("create_invoice", invoice(await some_customer(desk), **changes))
