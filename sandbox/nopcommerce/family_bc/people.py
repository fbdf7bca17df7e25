"""Customers of the resource plug-ins."""

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from sandbox.nopcommerce import customers
from sandbox.nopcommerce.family_bc.call import Call, Handler, Refused
from sandbox.nopcommerce.family_bc.writes import set_address, set_members
from sandbox.nopcommerce.row import BadBody
from sandbox.nopcommerce.tables import Customer

_WRITABLE = ("first_name", "last_name", "company", "phone", "admin_comment", "is_tax_exempt", "active", "username")


def routes() -> Iterator[tuple[str, str, Handler, str]]:
    """(method, path, handler, families)."""
    yield "GET", "/api/customers", _list, "BC"
    yield "GET", "/api/customers/count", _count, "BC"
    yield "GET", "/api/customers/search", _search, "BC"
    yield "GET", "/api/customers/me", _me, "C"
    yield "GET", "/api/customers/{id}", _one, "BC"
    yield "POST", "/api/customers", _create, "BC"
    yield "PUT", "/api/customers/{id}", _update, "BC"
    yield "DELETE", "/api/customers/{id}", _delete, "BC"
    for name in ("billing", "shipping"):
        yield "GET", f"/api/customers/{{id}}/{name}address", _address(f"{name}_address_id"), "C"


def _listed(call: Call) -> list[Customer]:
    """Neither guests nor inactive nor deleted ones."""
    shop = call.shop
    return [
        customer
        for customer in shop.customers.read_all()
        if customer.active
        and not customer.deleted
        and not customers.is_guest(shop, customer)
        and call.between(customer.created_on_utc, "created_at")
    ]


async def _list(call: Call) -> web.StreamResponse:
    page = call.page(call.wanted_ids(_listed(call)))
    return call.wrapped("customers", [call.view.customer(customer) for customer in page])


async def _count(call: Call) -> web.StreamResponse:
    return web.json_response({"count": len(_listed(call))})


async def _search(call: Call) -> web.StreamResponse:
    """``query=email:jo@example.test``; several conditions are joined by commas."""
    conditions = [part.partition(":") for part in call.request.query.get("query", "").split(",") if ":" in part]
    known = {"email", "username", "first_name", "last_name", "company", "phone"}

    def fits(customer: Customer) -> bool:
        return all(
            (getattr(customer, name.strip()) or "").lower() == text.strip().lower()
            for name, _, text in conditions
            if name.strip() in known
        )

    found = [c for c in call.shop.customers.read_all() if not c.deleted and fits(c)]
    return call.wrapped("customers", [call.view.customer(customer) for customer in call.page(found)])


async def _one(call: Call) -> web.StreamResponse:
    return call.wrapped("customers", [call.view.customer(call.row(call.shop.customers, "customer"))])


async def _me(call: Call) -> web.StreamResponse:
    customer = call.shop.customers.rows[call.caller.customer_id]
    return call.wrapped("customers", [call.view.customer(customer)])


def _address(member: str) -> Handler:
    async def get(call: Call) -> web.StreamResponse:
        customer = call.row(call.shop.customers, "customer")
        address = call.view.address(call.shop.addresses.read(getattr(customer, member) or 0))
        if address is None:
            raise Refused(404, "address", "not found")
        return web.json_response(address)

    return get


async def _create(call: Call) -> web.StreamResponse:
    body = await call.body("customer")
    email = body.get("email")
    if not isinstance(email, str) or "@" not in email:
        raise Refused(422, "email", "email is required")
    names = {name: body[name] for name in ("first_name", "last_name", "company", "phone") if body.get(name)}
    try:
        customer = customers.register(call.shop, email=email, **names)
    except ValueError as error:
        raise Refused(422, "email", str(error)) from error
    _write_addresses(call, customer, body)
    return call.wrapped("customers", [call.view.customer(customer)])


async def _update(call: Call) -> web.StreamResponse:
    customer, body = call.row(call.shop.customers, "customer"), await call.body("customer")
    email = body.get("email", customer.email)
    taken = customers.by_email(call.shop, email)
    if taken is not None and taken.id != customer.id:
        raise Refused(422, "email", "The specified email already exists")
    customer = call.shop.customers.edit(customer.id)
    try:
        set_members(customer, {**body, "email": email}, (*_WRITABLE, "email"))
    except BadBody as error:
        raise Refused(422, "customer", str(error)) from error
    _write_addresses(call, customer, body)
    customers.updated(call.shop, customer)
    return call.wrapped("customers", [call.view.customer(customer)])


def _write_addresses(call: Call, customer: Customer, body: dict[str, Any]) -> None:
    shop, given = call.shop, body.get("addresses")
    for data in [entry for entry in given if isinstance(entry, dict)] if isinstance(given, list) else []:
        existing = shop.addresses.get(data.get("id") or 0) if data.get("id") in customer.address_ids else None
        if existing is not None:
            set_address(shop, existing, data)
        else:
            customer.address_ids.append(customers.new_address(shop, {"country_id": None, **data}).id)
    for name in ("billing_address", "shipping_address"):
        main = body.get(name)
        if not isinstance(main, dict):
            continue
        existing = shop.addresses.get(getattr(customer, f"{name}_id") or 0)
        if existing is not None:
            set_address(shop, existing, main)
        else:
            address = customers.new_address(shop, {"country_id": None, **main})
            setattr(customer, f"{name}_id", address.id)
            customer.address_ids.append(address.id)


async def _delete(call: Call) -> web.StreamResponse:
    customers.delete(call.shop, call.row(call.shop.customers, "customer"))
    return web.json_response({})
