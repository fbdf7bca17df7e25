"""Enumerations as numbers (tables, official plug-in) and as names (resource plug-ins)."""

from enum import IntEnum


class OrderStatus(IntEnum):
    Pending = 10
    Processing = 20
    Complete = 30
    Cancelled = 40


class PaymentStatus(IntEnum):
    Pending = 10
    Authorized = 20
    Paid = 30
    PartiallyRefunded = 35
    Refunded = 40
    Voided = 50


class ShippingStatus(IntEnum):
    ShippingNotRequired = 10
    NotYetShipped = 20
    PartiallyShipped = 25
    Shipped = 30
    Delivered = 40


class TaxDisplayType(IntEnum):
    IncludingTax = 0
    ExcludingTax = 10


class VatNumberStatus(IntEnum):
    Unknown = 0
    Empty = 10
    Valid = 20
    Invalid = 30


class ReturnRequestStatus(IntEnum):
    Pending = 0
    Received = 10
    ReturnAuthorized = 20
    ItemsRepaired = 30
    ItemsRefunded = 40
    RequestRejected = 50
    Cancelled = 60


class ManageInventory(IntEnum):
    DontManageStock = 0
    ManageStock = 1
    ManageStockByAttributes = 2


class ProductType(IntEnum):
    SimpleProduct = 5
    GroupedProduct = 10


class BackorderMode(IntEnum):
    NoBackorders = 0
    AllowQtyBelow0 = 1
    AllowQtyBelow0AndNotifyCustomer = 2


def name_of(kind: type[IntEnum], value: int) -> str | None:
    """The name, or None for a number the shop does not know (a raw write may have put one there)."""
    try:
        return kind(value).name
    except ValueError:
        return None


def value_of(kind: type[IntEnum], text: str) -> int | None:
    """The number of a name, whatever its case, or of digits; None for anything else."""
    by_name = {member.name.lower(): member.value for member in kind}
    return by_name.get(text.strip().lower())
