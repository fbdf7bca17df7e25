"""Nominals and products on REST."""

import copy

from aiohttp import web

from sandbox.kashflow.account import Account
from sandbox.kashflow.ledger import catalogue
from sandbox.kashflow.model import Nominal, SubProduct
from sandbox.kashflow.money import NOT_APPLICABLE, ZERO
from sandbox.kashflow.refusal import Refused, invented
from sandbox.kashflow.rest.wire import Body, Listing, amount, listed, read_object, reply, text, whole_number

LISTING = Listing(10, 100, {"code": lambda p: p.code.casefold(), "name": lambda p: p.name.casefold()})


def no_such_nominal() -> Refused:
    return invented("There is no nominal with that code", code="NotFound", http_status=404)


async def get_nominals(account: Account, request: web.Request) -> web.Response:
    wanted = request.query.get("searchText", "").casefold()
    kind = request.query.get("type", "")
    rows = [n for n in account.nominals.all() if wanted in n.name.casefold() and kind in ("", str(n.type_id))]
    return reply([nominal_view(account, nominal) for nominal in rows])


async def get_nominal(account: Account, request: web.Request) -> web.Response:
    return reply(nominal_view(account, _nominal(account, request.match_info["code"])))


async def get_nominal_by_id(account: Account, request: web.Request) -> web.Response:
    number = request.match_info["id"]
    nominal = account.nominals.get(int(number)) if number.isdecimal() else None
    if nominal is None:
        raise no_such_nominal()
    return reply(nominal_view(account, nominal))


async def create_nominal(account: Account, request: web.Request) -> web.Response:
    """``CreateWhenNotPresent`` makes a repeat answer with the nominal that is there."""
    body = await read_object(request)
    code = whole_number(body, "Code")
    present = account.nominal_of_code(code)
    if present is not None and body.get("CreateWhenNotPresent"):
        return reply(nominal_view(account, present))
    nominal = catalogue.nominal_insert(
        account,
        name=text(body, "Name"),
        code=code,
        classification=whole_number(body, "Classification", 1),
        type_id=whole_number(body, "NomType", 1),
    )
    return reply(nominal_view(account, nominal), status=201, location=f"/v2/nominals/{nominal.code}")


async def update_nominal(account: Account, request: web.Request) -> web.Response:
    body = await read_object(request)
    nominal = _nominal(account, request.match_info["code"])
    code = whole_number(body, "Code", nominal.code)
    renamed = code != nominal.code
    if renamed and account.nominal_of_code(code) is not None:
        raise invented(f"Nominal code {code} is in use", code="DuplicateCode")
    nominal.code, nominal.name = code, text(body, "Name", nominal.name)
    nominal.archived = bool(body.get("Archived", nominal.archived))
    account.changed()
    return reply(nominal_view(account, nominal), status=201 if renamed else 200)


async def get_products(account: Account, request: web.Request) -> web.Response:
    first = request.query.get("filterbycharacter", "").casefold()
    rows = [product for product in account.products.read_all() if product.name.casefold().startswith(first)]
    return listed(request, rows, LISTING, lambda product: product_view(account, product))


async def get_products_of_nominal(account: Account, request: web.Request) -> web.Response:
    nominal = _nominal(account, request.match_info["code"])
    return reply([product_view(account, product) for product in catalogue.products_under(account, nominal.id)])


async def get_product(account: Account, request: web.Request) -> web.Response:
    return reply(product_view(account, _product(account, request)))


async def create_product(account: Account, request: web.Request) -> web.Response:
    body = await read_object(request)
    nominal = _nominal(account, str(body.get("NominalCode", "")))
    draft = _applied(body, SubProduct(0, nominal.id, "", text(body, "Code")))
    product = catalogue.product_put(account, draft)
    location = f"/v2/products/{nominal.code}/{product.code}"
    return reply(product_view(account, product), status=201, location=location)


async def update_product(account: Account, request: web.Request) -> web.Response:
    body = await read_object(request)
    stored = _product(account, request)
    draft = _applied(body, copy.copy(stored))
    draft.code = text(body, "Code", stored.code)
    product = catalogue.product_put(account, draft)
    return reply(product_view(account, product), status=201 if draft.code != request.match_info["product"] else 200)


async def delete_product(account: Account, request: web.Request) -> web.Response:
    catalogue.product_delete(account, _product(account, request).id)
    return web.Response(status=204)


def _nominal(account: Account, code: str) -> Nominal:
    nominal = account.nominal_of_code(int(code)) if code.isdecimal() else None
    if nominal is None:
        raise no_such_nominal()
    return nominal


def _product(account: Account, request: web.Request) -> SubProduct:
    nominal = _nominal(account, request.match_info["code"])
    for product in catalogue.products_under(account, nominal.id):
        if product.code.casefold() == request.match_info["product"].casefold():
            return product
    raise invented("There is no product with that code", code="NotFound", http_status=404)


def _applied(body: Body, product: SubProduct) -> SubProduct:
    product.name = text(body, "Name", product.name)
    product.description = text(body, "Description", product.description)
    product.price = amount(body, "Price", product.price)
    product.wholesale_price = amount(body, "WholeSalePrice", product.wholesale_price)
    product.vat_rate = NOT_APPLICABLE if body.get("VATExempt") else amount(body, "VATRate", product.vat_rate)
    product.managed = int(bool(body.get("ManageStockLevel", product.managed)))
    product.qty_in_stock = whole_number(body, "QuantityInStock", product.qty_in_stock)
    product.stock_warn_qty = whole_number(body, "StockWarningQuantity", product.stock_warn_qty)
    product.auto_fill = int(bool(body.get("AutoFillLineItem", product.auto_fill)))
    return product


def product_view(account: Account, product: SubProduct) -> Body:
    nominal = account.nominals.get(product.parent_id)
    exempt = product.vat_rate == NOT_APPLICABLE
    return {
        "Id": product.id,
        "NominalId": product.parent_id,
        "NominalCode": nominal.code if nominal else 0,
        "Code": product.code,
        "Name": product.name,
        "Description": product.description,
        "IsDefault": False,
        "AutoFillLineItem": bool(product.auto_fill),
        "Price": product.price,
        "WholeSalePrice": product.wholesale_price,
        "VATRate": ZERO if exempt else product.vat_rate,
        "VATExempt": exempt,
        "ManageStockLevel": bool(product.managed),
        "QuantityInStock": product.qty_in_stock,
        "StockWarningQuantity": product.stock_warn_qty,
        "InUse": True,
        "PurchaseNominalId": 0,
        "PurchaseSubNominalId": 0,
    }


def nominal_view(account: Account, nominal: Nominal) -> Body:
    beneath = catalogue.products_under(account, nominal.id)
    return {
        "Id": nominal.id,
        "Code": nominal.code,
        "Name": nominal.name,
        "Type": catalogue.TYPE_NAMES.get(nominal.classification_id, ""),
        "NomType": nominal.type_id,
        "Classification": nominal.classification_id,
        "Archived": nominal.archived,
        "IsProduct": bool(beneath),
        "AutoFillLineItem": bool(nominal.auto_fill),
        "Price": nominal.price,
        "VATRate": nominal.vat_rate,
        "VATExempt": False,
        "Description": nominal.description,
        "AllowDelete": False,
        "ManageStockLevel": any(product.managed for product in beneath),
        "QuantityInStock": sum(product.qty_in_stock for product in beneath if product.managed),
    }
