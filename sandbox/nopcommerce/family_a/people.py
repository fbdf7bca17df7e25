"""Customers, roles, attributes, addresses, places and reward points of the official plug-in."""

from collections.abc import Iterator
from typing import Any

from sandbox.nopcommerce import customers
from sandbox.nopcommerce.family_a.call import NOTHING, Call, Handler, NotFound, dtos, found
from sandbox.nopcommerce.tables import Customer


def routes() -> Iterator[tuple[str, str, Handler]]:
    yield from _customer_routes()
    yield from _attribute_routes()
    yield from _place_routes()


def _customer_routes() -> Iterator[tuple[str, str, Handler]]:
    yield "GET", "Customer/GetAll", _all
    yield "GET", "Customer/GetCustomersByIds/{ids}", _by_ids
    yield "GET", "Customer/GetCustomerByGuid", _by_guid
    yield "GET", "Customer/GetCustomerByEmail", _by_email
    yield "GET", "Customer/GetCustomerByUsername", _by_username
    yield "GET", "Customer/GetCustomerFullName/{customerId}", _full_name
    yield "GET", "Customer/GetAddressesByCustomerId/{customerId}", _addresses
    yield "GET", "Customer/GetCustomerAddress/{customerId}/{addressId}", _address
    yield "GET", "Customer/GetCustomerBillingAddress/{customerId}", _main_address("billing_address_id")
    yield "GET", "Customer/GetCustomerShippingAddress/{customerId}", _main_address("shipping_address_id")
    yield "GET", "Customer/InsertCustomerAddress/{customerId}/{addressId}", _insert_address
    yield "DELETE", "Customer/Delete/{id}", _delete
    yield "GET", "CustomerRole/GetAll", _roles
    yield "GET", "CustomerRole/GetCustomerRoleIds/{customerId}", _role_ids
    yield "GET", "CustomerRole/GetCustomerRoles/{customerId}", _roles_of
    yield "GET", "CustomerRole/GetCustomerRoleBySystemName", _role_by_name
    for name, role in (
        ("IsGuest", customers.GUESTS),
        ("IsRegistered", customers.REGISTERED),
        ("IsAdmin", customers.ADMINISTRATORS),
    ):
        yield "GET", f"CustomerRole/{name}/{{customerId}}", _is_in(role)
    yield "POST", "CustomerRole/AddCustomerRoleMapping", _add_role


def _attribute_routes() -> Iterator[tuple[str, str, Handler]]:
    yield "GET", "GenericAttribute/GetAttributesForEntity/{entityId}", _attributes
    yield "GET", "GenericAttribute/GetAttribute/{entityId}", _attribute
    yield "POST", "GenericAttribute/SaveAttribute/{storeId}/{entityId}", _save_attribute
    yield "GET", "RewardPointsHistory/GetRewardPointsHistory", _points
    yield "GET", "RewardPointsHistory/GetRewardPointsBalance/{customerId}/{storeId}", _balance


def _place_routes() -> Iterator[tuple[str, str, Handler]]:
    for name in ("GetAllCountries", "GetAllCountriesForBilling", "GetAllCountriesForShipping"):
        yield "GET", f"Country/{name}", _countries
    yield "GET", "Country/GetCountriesByIds/{ids}", _countries_by_ids
    yield "GET", "Country/GetCountryByAddress/{addressId}", _country_by_address
    yield "GET", "Country/GetCountryByTwoLetterIsoCode", _country_by("twoLetterIsoCode", "two_letter_iso_code")
    yield "GET", "Country/GetCountryByThreeLetterIsoCode", _country_by("threeLetterIsoCode", "three_letter_iso_code")
    yield "GET", "StateProvince/GetAll", _states
    yield "GET", "StateProvince/GetStateProvincesByCountryId/{countryId}", _states_of
    yield "GET", "StateProvince/GetStateProvinceByAbbreviation", _state_by_abbreviation
    yield "GET", "Currency/GetAll", _currencies
    yield "GET", "Currency/GetCurrencyByCode", _currency_by_code
    yield "GET", "Currency/ConvertToPrimaryStoreCurrency/{currencyId}", _to_primary_currency


# Customers


def _customer(call: Call, name: str = "customerId") -> Customer:
    return call.row(call.shop.customers, name)


async def _all(call: Call) -> Any:
    kept = [c for c in call.shop.customers.read_all() if not c.deleted and _matches(call, c)]
    kept.sort(key=lambda c: (c.created_on_utc, c.id), reverse=True)
    return call.paged(kept)


def _matches(call: Call, customer: Customer) -> bool:
    start, end = call.moment("createdFromUtc"), call.moment("createdToUtc")
    if (start and customer.created_on_utc < start) or (end and customer.created_on_utc > end):
        return False
    roles = call.query_ids("customerRoleIds")
    if roles and not roles & set(customer.role_ids):
        return False
    billing = call.shop.addresses.get(customer.billing_address_id or 0)
    values = {
        "email": customer.email,
        "username": customer.username,
        "firstName": customer.first_name,
        "lastName": customer.last_name,
        "company": customer.company,
        "phone": customer.phone,
        "zipPostalCode": billing.zip_postal_code if billing else None,
    }
    wanted = {name: text.lower() for name in values if (text := call.text(name))}
    return all(text in (values[name] or "").lower() for name, text in wanted.items())


async def _by_ids(call: Call) -> Any:
    rows = (call.shop.customers.read(number) for number in call.path_ids("ids"))
    return dtos(row for row in rows if row is not None and not row.deleted)


async def _by_guid(call: Call) -> Any:
    wanted = (call.text("guid") or "").lower()
    return found(next((c for c in call.shop.customers.read_all() if c.customer_guid == wanted), None), "Customer")


async def _by_email(call: Call) -> Any:
    wanted = (call.text("email") or "").strip().lower()
    matches = (c for c in call.shop.customers.read_all() if wanted and (c.email or "").lower() == wanted)
    return found(next(matches, None), "Customer")


async def _by_username(call: Call) -> Any:
    wanted = (call.text("username") or "").strip().lower()
    matches = (c for c in call.shop.customers.read_all() if wanted and (c.username or "").lower() == wanted)
    return found(next(matches, None), "Customer")


async def _full_name(call: Call) -> Any:
    return customers.full_name(_customer(call))


async def _addresses(call: Call) -> Any:
    rows = (call.shop.addresses.read(number) for number in _customer(call).address_ids)
    return dtos(row for row in rows if row is not None)


async def _address(call: Call) -> Any:
    number = call.id("addressId")
    if number not in _customer(call).address_ids:
        raise NotFound("Address not found")
    return found(call.shop.addresses.read(number), "Address")


def _main_address(member: str) -> Handler:
    async def get(call: Call) -> Any:
        return found(call.shop.addresses.read(getattr(_customer(call), member) or 0), "Address")

    return get


async def _delete(call: Call) -> Any:
    customers.delete(call.shop, _customer(call, "id"))
    return NOTHING


async def _roles(call: Call) -> Any:
    return call.paged(call.shop.roles.read_all())


async def _role_ids(call: Call) -> Any:
    return list(_customer(call).role_ids)


async def _roles_of(call: Call) -> Any:
    return dtos(call.shop.roles.rows[number] for number in _customer(call).role_ids)


async def _role_by_name(call: Call) -> Any:
    wanted = call.text("systemName")
    return found(next((r for r in call.shop.roles.read_all() if r.system_name == wanted), None), "CustomerRole")


def _is_in(role: str) -> Handler:
    async def ask(call: Call) -> Any:
        return customers.is_in_role(call.shop, _customer(call), role)

    return ask


async def _add_role(call: Call) -> Any:
    body = await call.body()
    customer = found(call.shop.customers.get(int(body["customer_id"])), "Customer")
    role = found(call.shop.roles.get(int(body["customer_role_id"])), "CustomerRole")
    if role.id not in customer.role_ids:
        call.shop.customers.edit(customer.id)
        customer.role_ids.append(role.id)
    return NOTHING


async def _insert_address(call: Call) -> Any:
    """A change of state by GET."""
    customer, address = _customer(call), call.row(call.shop.addresses, "addressId")
    if address.id not in customer.address_ids:
        call.shop.customers.edit(customer.id)
        customer.address_ids.append(address.id)
    return NOTHING


# Attributes and points


async def _attributes(call: Call) -> Any:
    rows, group = call.shop.attributes.readable_by("entity_id", call.id("entityId")), call.text("keyGroup")
    return dtos(row for row in rows if not group or row.key_group == group)


async def _attribute(call: Call) -> Any:
    group, key = call.text("entityTypeName") or "", call.text("key") or ""
    row = customers.find_attribute(call.shop, call.id("entityId"), group, key, call.number("storeId"))
    return (row.value if row else call.text("defaultValue")) or ""


async def _save_attribute(call: Call) -> Any:
    group, key = call.text("entityTypeName") or "", call.text("key") or ""
    store = call.number("storeId") or int(call.request.match_info["storeId"])
    customers.save_attribute(call.shop, call.id("entityId"), group, key, call.text("value"), store)
    row = customers.find_attribute(call.shop, call.id("entityId"), group, key, store)
    if row is not None:
        customers.attribute_written(call.shop, row)
    return NOTHING


async def _points(call: Call) -> Any:
    customer, guid = call.number("customerId"), call.text("orderGuid")
    kept = [
        entry
        for entry in call.shop.points.read_all()
        if customer in (0, entry.customer_id) and (not guid or entry.used_with_order == guid)
    ]
    return call.paged(sorted(kept, key=lambda entry: entry.id, reverse=True))


async def _balance(call: Call) -> Any:
    return customers.points_balance(call.shop, _customer(call).id)


# Places


async def _countries(call: Call) -> Any:
    hidden = call.flag("showHidden")
    return dtos(c for c in call.shop.countries.read_all() if c.published or hidden)


async def _countries_by_ids(call: Call) -> Any:
    rows = (call.shop.countries.read(number) for number in call.path_ids("ids"))
    return dtos(row for row in rows if row is not None)


async def _country_by_address(call: Call) -> Any:
    return found(customers.country_of(call.shop, call.row(call.shop.addresses, "addressId")), "Country")


def _country_by(parameter: str, member: str) -> Handler:
    async def get(call: Call) -> Any:
        wanted = (call.text(parameter) or "").upper()
        return found(next((c for c in call.shop.countries.read_all() if getattr(c, member) == wanted), None), "Country")

    return get


async def _states(call: Call) -> Any:
    return dtos(call.shop.states.read_all())


async def _states_of(call: Call) -> Any:
    return dtos(call.shop.states.readable_by("country_id", call.id("countryId")))


async def _state_by_abbreviation(call: Call) -> Any:
    wanted, country = call.text("abbreviation"), call.number("countryId")
    matches = (s for s in call.shop.states.read_all() if s.abbreviation == wanted and country in (0, s.country_id))
    return found(next(matches, None), "StateProvince")


async def _currencies(call: Call) -> Any:
    hidden = call.flag("showHidden")
    return call.paged([c for c in call.shop.currencies.read_all() if c.published or hidden])


async def _currency_by_code(call: Call) -> Any:
    wanted = (call.text("currencyCode") or "").upper()
    return found(next((c for c in call.shop.currencies.read_all() if c.currency_code == wanted), None), "Currency")


async def _to_primary_currency(call: Call) -> Any:
    """A JSON number, as the description says: double."""
    currency = call.row(call.shop.currencies, "currencyId")
    primary = found(call.shop.currencies.get(call.shop.primary_currency_id), "Currency")
    return float(call.amount("amount") / currency.rate * primary.rate)
