"""Families B and C: resources wrapped both ways (``{"orders": […]}``), statuses by name, people and places nested."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from connectors.base.errors import Rejected
from connectors.base.records import Address, Customer, OrderStatus
from connectors.nopcommerce.attributes import combination_for
from connectors.nopcommerce.entities import (
    ORDER_STATUSES,
    PAYMENT_STATUSES,
    SHIPPING_STATUSES,
    CustomerParts,
    LineParts,
    OrderParts,
    Sellable,
    own_quantity,
    snake,
    to_address,
)
from connectors.nopcommerce.families.base import Memory, NewValues, ShopFacts, ShopFamily, email_matches
from connectors.nopcommerce.families.calls import Calls
from connectors.nopcommerce.setup import Setup
from connectors.nopcommerce.shapes import (
    AddressShape,
    CombinationShape,
    CountryShape,
    CustomerShape,
    OrderBC,
    ProductShape,
    parse,
)

PAGE_SIZE = 100
INDEX_SECONDS = 300.0
"""How long the SKU index is kept; a SKU found through it is verified on the product itself."""

ORDER_STATUS_NAMES = {
    OrderStatus.PENDING: "Pending",
    OrderStatus.PROCESSING: "Processing",
    OrderStatus.COMPLETE: "Complete",
    OrderStatus.CANCELLED: "Cancelled",
}


class ResourceFamily(ShopFamily):
    def __init__(self, calls: Calls, setup: Setup, memory: Memory, now: Callable[[], datetime]) -> None:
        super().__init__(setup, memory)
        self.calls = calls
        self.now = now

    async def facts(self) -> ShopFacts:
        await self.list_rows("orders", limit=1)
        return ShopFacts("")

    async def countries(self) -> Mapping[int, CountryShape]:
        """By id, where the plug-in lists them; otherwise the name in the address has to do."""
        return {}

    async def list_rows(self, resource: str, **params: Any) -> list[dict[str, Any]]:
        body = await self.calls.read(
            resource,
            operation=f"GET /api/{resource}",
            what=resource.capitalize(),
            params={"limit": PAGE_SIZE, **params},
        )
        rows = body.get(resource) if isinstance(body, dict) else None
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    async def one_row(self, resource: str, row_id: int) -> dict[str, Any] | None:
        body = await self.calls.read(
            f"{resource}/{row_id}", operation=f"GET /api/{resource}/{{id}}", what=f"{resource.capitalize()} {row_id}"
        )
        rows = body.get(resource) if isinstance(body, dict) else None
        return rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else None

    async def _put(self, resource: str, member: str, row_id: int, values: Mapping[str, Any], what: str) -> None:
        await self.calls.write(
            "PUT",
            f"{resource}/{row_id}",
            operation=f"PUT /api/{resource}/{{id}}",
            what=what,
            body={member: {"id": row_id, **values}},
        )

    # Orders -----------------------------------------------------------------------------------------------------------

    async def orders_after(
        self,
        since_id: int,
        *,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        status: OrderStatus | None = None,
    ) -> list[OrderBC]:
        """Ascending by id; the date bounds are strict: an order created at that very moment is left out."""
        rows = await self.list_rows(
            "orders",
            since_id=since_id,
            created_at_min=_text(created_after),
            created_at_max=_text(created_before),
            status=ORDER_STATUS_NAMES[status] if status else None,
        )
        return [parse(OrderBC, row, "Orders") for row in rows]

    async def order(self, order_id: int) -> OrderParts | None:
        row = await self.one_row("orders", order_id)
        return None if row is None else to_parts(parse(OrderBC, row, f"Order {order_id}"), await self.countries())

    async def order_status(self, order_id: int) -> OrderStatus | None:
        row = await self.one_row("orders", order_id)
        return order_status_of(row.get("order_status"), order_id) if row else None

    async def write_order_status(self, order_id: int, status: OrderStatus) -> None:
        row = await self.one_row("orders", order_id)
        if row is None:
            raise Rejected(f"Order {order_id} does not exist in the shop.", code="not_found")
        values = {"order_status": ORDER_STATUS_NAMES[status], **self.kept_members(row, order_id)}
        await self._put("orders", "order", order_id, values, f"Status of order {order_id}")

    def kept_members(self, row: Mapping[str, Any], order_id: int) -> dict[str, Any]:
        """What a PUT must repeat: an omitted shipping method is written as null."""
        return {"shipping_method": row.get("shipping_method")}

    # Customers --------------------------------------------------------------------------------------------------------

    async def customer(self, customer_id: int) -> CustomerParts | None:
        row = await self.one_row("customers", customer_id)
        return (
            customer_parts(parse(CustomerShape, row, f"Customer {customer_id}"), await self.countries())
            if row
            else None
        )

    async def customer_by_email(self, email: str) -> CustomerParts | None:
        body = await self.calls.read(
            "customers/search",
            operation="GET /api/customers/search",
            what="Customer",
            params={"query": f"email:{email}"},
        )
        rows = body.get("customers") if isinstance(body, dict) else None
        for row in rows if isinstance(rows, list) else []:
            parts = customer_parts(parse(CustomerShape, row, "Customer"), await self.countries())
            if email_matches(parts, email):  # the search may find longer addresses that contain this one
                return parts
        return None

    async def create_customer(self, wanted: Customer) -> int:
        body = await self.calls.write(
            "POST",
            "customers",
            operation="POST /api/customers",
            what="Customer",
            body={
                "customer": {
                    "email": wanted.email,
                    "username": wanted.email,
                    "active": True,
                    **await self._values(wanted),
                }
            },
        )
        rows = body.get("customers") if isinstance(body, dict) else None
        return parse(CustomerShape, rows[0] if isinstance(rows, list) and rows else None, "Customer").id

    async def update_customer(self, present: CustomerParts, wanted: Customer) -> None:
        if present.shape is None:
            raise ValueError("a customer without a row cannot be updated")
        values = await self._values(wanted, present)
        await self._put("customers", "customer", present.shape.id, values, f"Customer {present.shape.id}")

    async def _values(self, wanted: Customer, present: CustomerParts | None = None) -> dict[str, Any]:
        """Filled members only. The address keeps its id, and its country's number while the country stays the same."""
        values: dict[str, Any] = {"first_name": wanted.first_name, "last_name": wanted.last_name}
        if present is None:
            values["role_ids"] = [REGISTERED_ROLE_ID]
        if wanted.address is not None:
            values["billing_address"] = await self._address_values(wanted, present)
        return {member: value for member, value in values.items() if value}

    async def _address_values(self, wanted: Customer, present: CustomerParts | None) -> dict[str, Any]:
        address = wanted.address or Address()
        old = present.billing if present and present.billing else AddressShape()
        old_printed = present.billing_address if present else None
        same_country = old_printed is not None and old_printed.country_code == address.country_code
        known = await self.countries()
        listed = (number for number, each in known.items() if each.two_letter_iso_code == address.country_code)
        values = {
            "id": old.id,
            "first_name": wanted.first_name or old.first_name,
            "last_name": wanted.last_name or old.last_name,
            "email": wanted.email or old.email,
            "company": wanted.company or address.company or old.company,
            "address1": address.line1 or old.address1,
            "address2": address.line2 or old.address2,
            "city": address.city or old.city,
            "zip_postal_code": address.postcode or old.zip_postal_code,
            "phone_number": wanted.phone or address.phone or old.phone_number,
            "country_id": old.country_id if same_country or not address.country_code else next(listed, None),
        }
        return {member: value for member, value in values.items() if value}

    # Products ---------------------------------------------------------------------------------------------------------

    async def product(self, product_id: int) -> Sellable | None:
        row = await self.one_row("products", product_id)
        if row is None:
            return None
        product = parse(ProductShape, row, f"Product {product_id}")
        return Sellable(product, None, _known_quantity(product))

    async def product_by_sku(self, sku: str) -> Sellable | None:
        """There is no SKU filter: all products are paged once and indexed; the hit itself is read now."""
        wanted = sku.strip()
        for fresh in (False, True):
            found = (await self._index(fresh)).get(wanted)
            sellable = await self._verified(found, wanted) if found else None
            if sellable is not None:
                return sellable
        return None

    async def _index(self, fresh: bool) -> dict[str, int]:
        if fresh:
            # One rebuild per half minute at most, however many unknown SKUs are asked for.
            return await self.memory("sku_index_rebuilt", INDEX_SECONDS / 10, self._build_index)
        return await self.memory("sku_index", INDEX_SECONDS, self._build_index)

    async def _build_index(self) -> dict[str, int]:
        index: dict[str, int] = {}
        since_id = 0
        while True:
            page = await self.products_after(since_id)
            for product in page:
                for sku in (product.sku, *(each.sku for each in product.product_attribute_combinations)):
                    if sku.strip():
                        index.setdefault(sku.strip(), product.id)  # the lowest id wins, as in the shop itself
            if len(page) < PAGE_SIZE or page[-1].id <= since_id:
                return index
            since_id = page[-1].id

    async def products_after(self, since_id: int) -> list[ProductShape]:
        return [parse(ProductShape, row, "Products") for row in await self.list_rows("products", since_id=since_id)]

    async def _verified(self, product_id: int, sku: str) -> Sellable | None:
        row = await self.one_row("products", product_id)
        if row is None:
            return None
        product = parse(ProductShape, row, f"Product {sku}")
        if product.sku.strip() == sku:
            return Sellable(product, None, _known_quantity(product))
        combination = _combination_of(product, sku)
        return Sellable(product, combination, own_quantity(product, combination)) if combination else None

    async def change_stock(self, present: Sellable, quantity: int, message: str) -> bool:
        """Absolute, so there is nothing to look for. ``message`` has no place in these plug-ins."""
        if present.combination is not None or present.product.use_multiple_warehouses:
            raise self.not_supported(f"The stock of {present.sku} (a combination, or in several warehouses)")
        await self._put(
            "products", "product", present.product.id, {"stock_quantity": quantity}, f"Stock of {present.sku}"
        )
        return True

    async def update_product(self, present: Sellable, values: NewValues) -> None:
        if present.combination is not None:
            raise self.not_supported(f"Name and price of the combination {present.sku}")
        await self._put("products", "product", present.product.id, _given(values), f"Product {present.sku}")

    async def create_product(self, sku: str, values: NewValues) -> int:
        body = await self.calls.write(
            "POST",
            "products",
            operation="POST /api/products",
            what=f"Product {sku}",
            body={"product": {"sku": sku, "published": False, "manage_inventory_method_id": 1, **_given(values)}},
        )
        rows = body.get("products") if isinstance(body, dict) else None
        return parse(ProductShape, rows[0] if isinstance(rows, list) and rows else None, f"Product {sku}").id


REGISTERED_ROLE_ID = 3
"""Roles of a fresh shop are numbered: 1 administrators, 2 forum moderators, 3 registered, 4 guests."""


def to_parts(shape: OrderBC, countries: Mapping[int, CountryShape]) -> OrderParts:
    """Neither plug-in tells the visible number or the guid: the id serves, made unique by the store."""
    lines = tuple(
        LineParts(
            item,
            item.product,
            combination_for(item, item.product.product_attribute_combinations if item.product else ()),
        )
        for item in shape.order_items
    )
    person = shape.customer
    return OrderParts(
        header=shape,
        number=str(shape.id),
        external_key=f"{shape.store_id}-{shape.id}",
        status=order_status_of(shape.order_status, shape.id),
        payment_status=_status(PAYMENT_STATUSES, shape.payment_status, shape.id),
        fulfilment_status=snake(shape.shipping_status)
        if snake(shape.shipping_status) in SHIPPING_STATUSES.values()
        else "",
        lines=lines,
        customer=CustomerParts(
            shape=person,
            guest=person is None or not person.email.strip(),
            billing=shape.billing_address,
            delivery=shape.shipping_address,
            billing_address=to_address(shape.billing_address, countries),
            delivery_address=to_address(shape.shipping_address, countries),
        ),
        tenders=None,
    )


def customer_parts(shape: CustomerShape, countries: Mapping[int, CountryShape]) -> CustomerParts:
    return CustomerParts(
        shape=shape,
        guest=not shape.email.strip(),
        billing=shape.billing_address,
        delivery=shape.shipping_address,
        billing_address=to_address(shape.billing_address, countries),
        delivery_address=to_address(shape.shipping_address, countries),
    )


def order_status_of(name: Any, order_id: int) -> OrderStatus:
    return _status(ORDER_STATUSES, str(name), order_id)


def _status(known: Mapping[int, Any], name: str, order_id: int) -> Any:
    """:raises Rejected: a name (or number) no version documents."""
    by_name = {status.value: status for status in known.values()}
    found = by_name.get(snake(name)) or (known.get(int(name)) if name.isdigit() else None)
    if found is None:
        raise Rejected(
            f"Order {order_id} has the status “{name[:40]}”, which is not documented.", code="unexpected_shape"
        )
    return found


def _known_quantity(product: ProductShape) -> int | None:
    """With several warehouses the product's own row says nothing, and these plug-ins do not tell the sum."""
    return None if product.use_multiple_warehouses else own_quantity(product, None)


def _combination_of(product: ProductShape, sku: str) -> CombinationShape | None:
    return next((each for each in product.product_attribute_combinations if each.sku.strip() == sku), None)


def _given(values: NewValues) -> dict[str, Any]:
    return {name: value for name, value in (("name", values.name), ("price", values.price)) if value is not None}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
