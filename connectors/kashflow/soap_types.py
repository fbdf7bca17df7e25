"""Members of the types we send, in the order of KashFlow's published service description, with their kinds.

The service is ASMX: a numeric member that is missing is read as 0 and a date as year 1, so a full record with those
defaults means the same as a partial one, and it satisfies strict descriptions too. Empty text is left out, because an
empty element in a numeric or date member is refused.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    TEXT = "text"  # optional, left out when empty
    INT = "int"
    DECIMAL = "decimal"
    BOOL = "bool"
    DATE_TIME = "date_time"
    OPTIONAL_INT = "optional_int"  # xs:integer, left out when not given
    LINES = "lines"  # array of anyType, each <anyType xsi:type="InvoiceLine">
    DELIVERY = "delivery"  # a DeliveryAddress


Members = tuple[tuple[str, Kind], ...]


def _members(text: str = "", **kinds: Kind) -> Members:
    return tuple((name, kinds.get(name, Kind.TEXT)) for name in text.split())


_NUMBERED_TEXTS = " ".join(f"ExtraText{n}" for n in range(1, 21))
_NUMBERED_BOXES = " ".join(f"CheckBox{n}" for n in range(1, 21))

CUSTOMER: Members = _members(
    "CustomerID Code Name Contact Telephone Mobile Fax Email Address1 Address2 Address3 Address4 CountryName "
    "CountryCode Postcode Website EC OutsideEC Notes Source Discount ShowDiscount PaymentTerms "
    f"{_NUMBERED_TEXTS} {_NUMBERED_BOXES} Created Updated CurrencyID ContactTitle ContactFirstName ContactLastName "
    "CustHasDeliveryAddress DeliveryAddress1 DeliveryAddress2 DeliveryAddress3 DeliveryAddress4 DeliveryCountryName "
    "DeliveryCountryCode DeliveryPostcode VATNumber",
    CustomerID=Kind.INT,
    EC=Kind.INT,
    OutsideEC=Kind.INT,
    Source=Kind.INT,
    Discount=Kind.DECIMAL,
    ShowDiscount=Kind.BOOL,
    PaymentTerms=Kind.INT,
    Created=Kind.DATE_TIME,
    Updated=Kind.DATE_TIME,
    CurrencyID=Kind.INT,
    CustHasDeliveryAddress=Kind.OPTIONAL_INT,
    **dict.fromkeys(_NUMBERED_BOXES.split(), Kind.INT),
)

INVOICE: Members = _members(
    "InvoiceDBID InvoiceNumber InvoiceDate DueDate Customer CustomerID Paid CustomerReference EstimateCategory "
    "SuppressTotal ProjectID CurrencyCode ExchangeRate ReadableString Lines NetAmount VATAmount AmountPaid "
    "CustomerName PermaLink DeliveryAddress UseCustomDeliveryAddress",
    InvoiceDBID=Kind.INT,
    InvoiceNumber=Kind.INT,
    InvoiceDate=Kind.DATE_TIME,
    DueDate=Kind.DATE_TIME,
    CustomerID=Kind.INT,
    Paid=Kind.INT,
    SuppressTotal=Kind.INT,
    ProjectID=Kind.INT,
    ExchangeRate=Kind.DECIMAL,
    Lines=Kind.LINES,
    NetAmount=Kind.DECIMAL,
    VATAmount=Kind.DECIMAL,
    AmountPaid=Kind.DECIMAL,
    DeliveryAddress=Kind.DELIVERY,
    UseCustomDeliveryAddress=Kind.BOOL,
)

# The spelling differs on purpose: VATAmount in the header, VatAmount in the line.
INVOICE_LINE: Members = _members(
    "Quantity Description Rate ChargeType VatRate VatAmount ProductID Sort ProjID LineID ValuesInCurrency",
    Quantity=Kind.DECIMAL,
    Rate=Kind.DECIMAL,
    ChargeType=Kind.INT,
    VatRate=Kind.DECIMAL,
    VatAmount=Kind.DECIMAL,
    ProductID=Kind.INT,
    Sort=Kind.INT,
    ProjID=Kind.INT,
    LineID=Kind.INT,
    ValuesInCurrency=Kind.OPTIONAL_INT,
)

DELIVERY_ADDRESS: Members = _members("Name Line1 Line2 Line3 Line4 PostCode CountryName CountryCode")

PAYMENT: Members = _members(
    "PayID PayInvoice PayDate PayNote PayMethod PayAccount PayAmount",
    PayID=Kind.INT,
    PayInvoice=Kind.INT,
    PayDate=Kind.DATE_TIME,
    PayMethod=Kind.INT,
    PayAccount=Kind.INT,
    PayAmount=Kind.DECIMAL,
)

SUB_PRODUCT: Members = _members(
    "id ParentID Name Code Description Price VatRate WholesalePrice Managed QtyInStock StockWarnQty AutoFill",
    id=Kind.INT,
    ParentID=Kind.INT,
    Price=Kind.DECIMAL,
    VatRate=Kind.DECIMAL,
    WholesalePrice=Kind.DECIMAL,
    Managed=Kind.INT,
    QtyInStock=Kind.INT,
    StockWarnQty=Kind.INT,
    AutoFill=Kind.INT,
)
