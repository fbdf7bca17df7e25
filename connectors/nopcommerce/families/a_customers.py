"""Family A: customers. Names, company, phone and VAT number are generic attributes in its shop versions."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.base.records import Address, Customer
from connectors.nopcommerce.entities import CustomerParts
from connectors.nopcommerce.families.a_wire import PartOfA, as_utc_text
from connectors.nopcommerce.families.base import SLOW_FACTS_SECONDS
from connectors.nopcommerce.shapes import AddressShape, CustomerShape, GenericAttributeShape, parse, parse_all

REGISTERED = "Registered"


class CustomersOfA(PartOfA):
    async def person(self, customer_id: int) -> tuple[CustomerShape | None, dict[str, str]]:
        """The row and its generic attributes, by key (``FirstName``, ``Company``, …).

        Guests have none worth reading.
        """
        body = await self.calls.read(
            f"Customer/GetById/{customer_id}", operation="GET Customer/GetById", what=f"Customer {customer_id}"
        )
        if not body:
            return None, {}
        shape = parse(CustomerShape, body, f"Customer {customer_id}")
        return shape, await self.names_of(shape.id) if shape.email.strip() else {}

    async def names_of(self, customer_id: int) -> dict[str, str]:
        body = await self.calls.read(
            f"GenericAttribute/GetAttributesForEntity/{customer_id}",
            operation="GET GenericAttribute/GetAttributesForEntity",
            what=f"Attributes of customer {customer_id}",
            params={"keyGroup": "Customer"},
        )
        return {each.key: each.value for each in parse_all(GenericAttributeShape, body, "Attributes")}

    async def customer(self, customer_id: int) -> CustomerParts | None:
        shape, names = await self.person(customer_id)
        return await self._parts(shape, names) if shape else None

    async def customer_by_email(self, email: str) -> CustomerParts | None:
        body = await self.calls.read(
            "Customer/GetCustomerByEmail",
            operation="GET Customer/GetCustomerByEmail",
            what="Customer",
            params={"email": email},
        )
        if not body:
            return None
        shape = parse(CustomerShape, body, "Customer")
        return await self._parts(shape, await self.names_of(shape.id))

    async def _parts(self, shape: CustomerShape, names: Mapping[str, str]) -> CustomerParts:
        billing, delivery = await asyncio.gather(
            self.address(shape.billing_address_id), self.address(shape.shipping_address_id)
        )
        return CustomerParts(
            shape=shape,
            guest=not shape.email.strip(),
            names=names,
            billing=billing,
            delivery=delivery,
            billing_address=await self.printed(billing),
            delivery_address=await self.printed(delivery),
        )

    async def registered_page(
        self, page_index: int, page_size: int, created_from: datetime | None = None
    ) -> tuple[list[CustomerShape], bool]:
        """Registered customers, newest first. :returns: the customers and whether there are more."""
        role_id = await self.memory("registered_role", SLOW_FACTS_SECONDS, self._registered_role)
        body = await self.calls.read(
            "Customer/GetAll",
            operation="GET Customer/GetAll",
            what="Customers",
            params={
                "createdFromUtc": as_utc_text(created_from),
                "customerRoleIds": role_id or None,
                "pageIndex": page_index,
                "pageSize": page_size,
            },
        )
        page = body if isinstance(body, dict) else {}
        return parse_all(CustomerShape, page.get("items"), "Customers"), bool(page.get("has_next_page"))

    async def _registered_role(self) -> int:
        body = await self.calls.read(
            "CustomerRole/GetCustomerRoleBySystemName",
            operation="GET CustomerRole/GetCustomerRoleBySystemName",
            what="Customer roles",
            params={"systemName": REGISTERED},
        )
        return int(body.get("id") or 0) if isinstance(body, dict) else 0

    # Writes -----------------------------------------------------------------------------------------------------------

    async def create_customer(self, wanted: Customer) -> int:
        """A row, its role, then everything ``update_customer`` writes; a call cut short is finished by the next one."""
        moment = as_utc_text(self.now())
        body = await self.calls.write(
            "POST",
            "Customer/Create",
            operation="POST Customer/Create",
            what="Customer",
            body={
                "customer_guid": str(uuid.uuid4()),
                "username": wanted.email,
                "email": wanted.email,
                "active": True,
                "registered_in_store_id": self.setup.store_id or 1,
                "created_on_utc": moment,
                "last_activity_date_utc": moment,
            },
        )
        shape = parse(CustomerShape, body, "Customer")
        await self.update_customer(CustomerParts(shape, guest=False), wanted)
        return shape.id

    async def update_customer(self, present: CustomerParts, wanted: Customer) -> None:
        """Several calls, each of which compares first. What a look takes for the whole comes last.

        A look reads a name from the customer, else from the address: so missing names come before the address, and
        others after it. A call cut short then leaves something that differs.
        """
        shape = present.shape
        if shape is None:
            raise ValueError("a customer without a row cannot be updated")
        await self._ensure_role(shape.id)
        names = {
            key: value for key, value in _wanted_names(wanted).items() if value and value != present.names.get(key)
        }
        missing = {key: value for key, value in names.items() if not present.names.get(key)}
        await self._save_names(shape.id, missing)
        if wanted.address is not None:
            await self._write_address(shape, present.billing, wanted)
        await self._save_names(shape.id, {key: value for key, value in names.items() if key not in missing})

    async def _ensure_role(self, customer_id: int) -> None:
        # Without it the customer counts as a guest, and a scheduled task of the shop deletes old guests.
        role_id = await self.memory("registered_role", SLOW_FACTS_SECONDS, self._registered_role)
        is_registered = await self.calls.read(
            f"CustomerRole/IsRegistered/{customer_id}",
            operation="GET CustomerRole/IsRegistered",
            what=f"Role of customer {customer_id}",
        )
        if role_id and is_registered is False:
            await self.calls.write(
                "POST",
                "CustomerRole/AddCustomerRoleMapping",
                operation="POST CustomerRole/AddCustomerRoleMapping",
                what=f"Role of customer {customer_id}",
                body={"customer_id": customer_id, "customer_role_id": role_id},
            )

    async def _save_names(self, customer_id: int, names: Mapping[str, str]) -> None:
        for key, value in names.items():
            await self.calls.write(
                "POST",
                f"GenericAttribute/SaveAttribute/0/{customer_id}",
                operation="POST GenericAttribute/SaveAttribute",
                what=f"{key} of customer {customer_id}",
                params={"entityTypeName": "Customer", "key": key, "value": value},
            )

    async def _write_address(self, shape: CustomerShape, present: AddressShape | None, wanted: Customer) -> None:
        changes = await self._address_row(wanted)
        if present is not None:
            row = await self.calls.read(
                f"Address/GetById/{present.id}", operation="GET Address/GetById", what=f"Address {present.id}"
            )
            merged = {**(row or {}), **changes}
            if merged != row:
                await self.calls.write(
                    "PUT", "Address/Update", operation="PUT Address/Update", what="Address", body=merged
                )
            return
        attached = await self._attached_address(shape.id, changes)
        await self._bill_to(shape.id, attached or await self._attach_new_address(shape.id, changes))

    async def _attached_address(self, customer_id: int, wanted: Mapping[str, Any]) -> int | None:
        """One that an earlier call attached before it was cut short."""
        body = await self.calls.read(
            f"Customer/GetAddressesByCustomerId/{customer_id}",
            operation="GET Customer/GetAddressesByCustomerId",
            what=f"Addresses of customer {customer_id}",
        )
        rows = [row for row in body or [] if isinstance(row, dict)]
        same = (row for row in rows if all(row.get(member) == value for member, value in wanted.items()))
        return next((int(row["id"]) for row in same if row.get("id")), None)

    async def _attach_new_address(self, customer_id: int, values: Mapping[str, Any]) -> int:
        body = await self.calls.write(
            "POST",
            "Address/Create",
            operation="POST Address/Create",
            what="Address",
            body={**values, "created_on_utc": as_utc_text(self.now())},
        )
        address_id = parse(AddressShape, body, "Address").id
        await self.calls.write(
            "GET",
            f"Customer/InsertCustomerAddress/{customer_id}/{address_id}",
            operation="GET Customer/InsertCustomerAddress",
            what=f"Address of customer {customer_id}",
        )
        return address_id

    async def _bill_to(self, customer_id: int, address_id: int) -> None:
        row = await self.calls.read(
            f"Customer/GetById/{customer_id}", operation="GET Customer/GetById", what=f"Customer {customer_id}"
        )
        await self.calls.write(
            "PUT",
            "Customer/Update",
            operation="PUT Customer/Update",
            what=f"Customer {customer_id}",
            body={**(row or {}), "billing_address_id": address_id},
        )

    async def _address_row(self, wanted: Customer) -> dict[str, Any]:
        """Members of the address to write: only filled ones, so nothing is blanked."""
        address = wanted.address or Address()
        row: dict[str, Any] = {
            "first_name": wanted.first_name,
            "last_name": wanted.last_name,
            "email": wanted.email,
            "company": wanted.company or address.company,
            "address1": address.line1,
            "address2": address.line2,
            "city": address.city,
            "county": address.region,
            "zip_postal_code": address.postcode,
            "phone_number": wanted.phone or address.phone,
        }
        if address.country_code:
            row["country_id"] = await self._country_id(address.country_code)
        return {member: value for member, value in row.items() if value}

    async def _country_id(self, code: str) -> int | None:
        body = await self.calls.read(
            "Country/GetCountryByTwoLetterIsoCode",
            operation="GET Country/GetCountryByTwoLetterIsoCode",
            what=f"Country {code}",
            params={"twoLetterIsoCode": code},
        )
        return int(body["id"]) if isinstance(body, dict) and body.get("id") else None


def _wanted_names(wanted: Customer) -> dict[str, str]:
    return {
        "FirstName": wanted.first_name,
        "LastName": wanted.last_name,
        "Company": wanted.company,
        "Phone": wanted.phone,
    }
