"""The shop's tables, one dataclass each."""

from sandbox.nopcommerce.tables.catalogue import (
    Product,
    ProductAttributeCombination,
    ProductWarehouseInventory,
    StockQuantityHistory,
)
from sandbox.nopcommerce.tables.orders import (
    GiftCard,
    GiftCardUsageHistory,
    Order,
    OrderItem,
    OrderNote,
    ReturnRequest,
    Shipment,
    ShipmentItem,
)
from sandbox.nopcommerce.tables.people import Customer, CustomerRole, GenericAttribute, RewardPointsHistory
from sandbox.nopcommerce.tables.places import Address, Country, Currency, StateProvince, Store, TaxCategory, Warehouse

__all__ = [
    "Address",
    "Country",
    "Currency",
    "Customer",
    "CustomerRole",
    "GenericAttribute",
    "GiftCard",
    "GiftCardUsageHistory",
    "Order",
    "OrderItem",
    "OrderNote",
    "Product",
    "ProductAttributeCombination",
    "ProductWarehouseInventory",
    "ReturnRequest",
    "RewardPointsHistory",
    "Shipment",
    "ShipmentItem",
    "StateProvince",
    "StockQuantityHistory",
    "Store",
    "TaxCategory",
    "Warehouse",
]
