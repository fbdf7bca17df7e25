"""The shop before its first order; the same seed gives the same shop."""

import datetime as dt
from decimal import Decimal

from sandbox.nopcommerce import customers
from sandbox.nopcommerce.customers import ADMINISTRATORS, API_USERS, GUESTS, REGISTERED
from sandbox.nopcommerce.enums import BackorderMode, ManageInventory, ProductType
from sandbox.nopcommerce.shop import Shop
from sandbox.nopcommerce.tables import (
    Country,
    Currency,
    CustomerRole,
    GiftCard,
    Product,
    ProductAttributeCombination,
    ProductWarehouseInventory,
    StateProvince,
    Store,
    TaxCategory,
    Warehouse,
)

ADMIN_EMAIL, ADMIN_PASSWORD = "admin@shop.test", "shop-admin-password"
CUSTOMER_PASSWORD = "customer-password"
OPENED = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
SIMPLE_PRODUCTS = 40

# Name, two and three letters, number, EU
_COUNTRIES = [
    ("United Kingdom", "GB", "GBR", 826, False),
    ("Ireland", "IE", "IRL", 372, True),
    ("Germany", "DE", "DEU", 276, True),
    ("France", "FR", "FRA", 250, True),
    ("Greece", "GR", "GRC", 300, True),
    ("Spain", "ES", "ESP", 724, True),
    ("United States of America", "US", "USA", 840, False),
]
_NOUNS = ["Mug", "Teapot", "Notebook", "Lamp", "Cushion", "Scarf", "Candle", "Vase", "Tray", "Clock"]
_KINDS = ["Oak", "Linen", "Copper", "Harbour", "Meadow", "Slate", "Amber", "Coastal"]
_PEOPLE = [
    ("Alice", "Whitfield", None, "GB", "12 Mill Lane", "Leeds", "LS1 4AP"),
    ("Ben", "Okafor", "Okafor Interiors Ltd", "GB", "Unit 4, Canal Works", "Manchester", "M1 2AB"),
    ("Chloé", "Lefèvre", None, "FR", "8 rue des Lilas", "Lyon", "69003"),
    ("Dieter", "Krüger", "Krüger Wohnen GmbH", "DE", "Hauptstraße 17", "Köln", "50667"),
    ("Eve", "O'Brien", None, "IE", "3 Quay Street", "Galway", "H91 F5X2"),
    ("Farah", "Siddiqui", None, "GB", "Flat 9, 210 City Road", "London", "EC1V 2PA"),
    ("George", "Papadopoulos", None, "GR", "Ermou 44", "Athens", "105 63"),
    ("Hannah", "Featherstonehaugh-Cholmondeley", "The Worshipful Company of Long Names & Daughters", "GB",
     "The Old Rectory, Church Walk", "Stratford-upon-Avon", "CV37 6BG"),
]  # fmt: skip


def seed_shop(shop: Shop, *, store_id: int = 1, store_name: str = "Harbour & Hearth") -> None:
    _places(shop, store_id, store_name)
    _roles(shop)
    _simple_products(shop)
    _special_products(shop)
    _people(shop)
    shop.gift_cards.insert(
        GiftCard(
            amount=Decimal(50), is_gift_card_activated=True, gift_card_coupon_code="WELCOME-50", created_on_utc=OPENED
        )
    )


def _places(shop: Shop, store_id: int, store_name: str) -> None:
    shop.stores.last_id = store_id - 1
    shop.stores.insert(Store(name=store_name, url="http://shop.test/", hosts="shop.test", company_name=store_name))
    for name, two, three, number, in_eu in _COUNTRIES:
        shop.countries.insert(
            Country(
                name=name,
                two_letter_iso_code=two,
                three_letter_iso_code=three,
                numeric_iso_code=number,
                subject_to_vat=in_eu,
            )
        )
    shop.states.insert(StateProvince(country_id=7, name="California", abbreviation="CA"))
    shop.states.insert(StateProvince(country_id=7, name="New York", abbreviation="NY"))
    for code, name, rate in (("GBP", "Pound sterling", "1"), ("EUR", "Euro", "1.17"), ("USD", "US dollar", "1.27")):
        shop.currencies.insert(
            Currency(name=name, currency_code=code, rate=Decimal(rate), created_on_utc=OPENED, updated_on_utc=OPENED)
        )
    shop.primary_currency_id = 1
    for name, rate in (("Standard", "20"), ("Reduced", "5"), ("Zero", "0")):
        shop.tax_rates[shop.tax_categories.insert(TaxCategory(name=name)).id] = rate
    for name in ("Main warehouse", "Overflow"):
        shop.warehouses.insert(Warehouse(name=name))


def _roles(shop: Shop) -> None:
    for name, system_name in (
        ("Administrators", ADMINISTRATORS),
        ("Registered", REGISTERED),
        ("Guests", GUESTS),
        ("Api Users", API_USERS),
    ):
        shop.roles.insert(CustomerRole(name=name, system_name=system_name, is_system_role=True))


def add_product(shop: Shop, sku: str | None, name: str, price: str, **members: object) -> Product:
    values: dict[str, object] = {
        "tax_category_id": 1,
        "manage_inventory_method_id": ManageInventory.ManageStock,
        "stock_quantity": 500,
        "backorder_mode_id": BackorderMode.AllowQtyBelow0,
    }
    values.update(members)
    product = Product(sku=sku, name=name, price=Decimal(price), created_on_utc=OPENED, updated_on_utc=OPENED, **values)  # type: ignore[arg-type]
    return shop.products.insert(product)


def _simple_products(shop: Shop) -> None:
    for number in range(1, SIMPLE_PRODUCTS + 1):
        name = f"{_KINDS[number % len(_KINDS)]} {_NOUNS[number % len(_NOUNS)]}"
        pence = shop.rng.randrange(199, 12_000)
        add_product(
            shop,
            f"SKU-{number:03d}",
            f"{name} No. {number}",
            f"{pence // 100}.{pence % 100:02d}",
            # Half at the standard rate, the rest shared between reduced and zero.
            tax_category_id=(1, 2, 1, 3)[number % 4],
            stock_quantity=shop.rng.randrange(200, 2000),
            product_cost=Decimal(pence) / 250,
            weight=Decimal(shop.rng.randrange(1, 40)) / 10,
        )


def _special_products(shop: Shop) -> None:
    shirt = add_product(
        shop, "TEE", "Harbour T-shirt", "18.00", manage_inventory_method_id=ManageInventory.ManageStockByAttributes
    )
    for size, price in (("S", None), ("M", None), ("L", "19.50")):
        shop.combinations.insert(
            ProductAttributeCombination(
                product_id=shirt.id,
                sku=f"TEE-{size}",
                stock_quantity=120,
                attributes_xml=_attributes_xml(Size=size, Colour="Navy"),
                overridden_price=Decimal(price) if price else None,
            )
        )
    chair = add_product(shop, "CHAIR-W", "Harbour chair, two warehouses", "89.00", use_multiple_warehouses=True)
    for warehouse, quantity in ((1, 40), (2, 60)):
        shop.warehouse_stock.insert(
            ProductWarehouseInventory(product_id=chair.id, warehouse_id=warehouse, stock_quantity=quantity)
        )
    unmanaged = {"manage_inventory_method_id": ManageInventory.DontManageStock, "stock_quantity": 0}
    add_product(shop, "WRAP", "Gift wrapping", "3.50", **unmanaged)
    add_product(shop, "GROUP", "Living room set", "0", product_type_id=ProductType.GroupedProduct, **unmanaged)
    add_product(shop, "GONE-1", "Discontinued stool", "25.00", deleted=True, published=False)
    add_product(shop, "DUP-1", "Blue bowl", "12.00")
    add_product(shop, "DUP-1", "Blue bowl, second listing with the same SKU", "11.00")
    add_product(shop, None, "Nameless article without SKU", "7.77", tax_category_id=2)
    add_product(
        shop,
        "GIFT-25",
        "Gift card 25",
        "25.00",
        is_gift_card=True,
        is_ship_enabled=False,
        tax_category_id=3,
        **unmanaged,
    )


def _attributes_xml(**values: str) -> str:
    parts = "".join(
        f'<ProductAttribute Name="{name}"><Value>{value}</Value></ProductAttribute>' for name, value in values.items()
    )
    return f"<Attributes>{parts}</Attributes>"


def _people(shop: Shop) -> None:
    admin = customers.register(
        shop, email=ADMIN_EMAIL, at=OPENED, first_name="Shop", last_name="Admin", password=ADMIN_PASSWORD
    )
    admin.role_ids += [customers.role_id(shop, ADMINISTRATORS), customers.role_id(shop, API_USERS)]
    for number, (first, last, company, country, street, city, postcode) in enumerate(_PEOPLE):
        email = f"{first.lower().replace('é', 'e')}@customer{number}.test"
        customer = customers.register(
            shop,
            email=email,
            at=OPENED + dt.timedelta(days=number),
            first_name=first,
            last_name=last,
            company=company,
            phone=f"+44 20 7946 {number:04d}",
            password=CUSTOMER_PASSWORD,
        )
        address = customers.new_address(
            shop,
            {
                "first_name": first,
                "last_name": last,
                "company": company,
                "email": email,
                "country": country,
                "address1": street,
                "city": city,
                "zip_postal_code": postcode,
                "phone_number": customer.phone,
            },
            at=OPENED,
        )
        customer.address_ids = [address.id]
        customer.billing_address_id = customer.shipping_address_id = address.id
        customers.add_points(shop, customer.id, 5000, "Opening balance")
    gone = customers.register(shop, email="gone@customer.test", at=OPENED, first_name="Gone", last_name="Away")
    customers.delete(shop, gone)
