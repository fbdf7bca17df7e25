"""The SOAP interface's data types, as the published description has them.

Written in a short notation: ``s`` string, ``i`` int, ``d`` decimal, ``b`` boolean, ``t`` dateTime, ``n`` optional
integer; ``[X]`` is an array of X, ``[*X]`` an array of anyType whose members are X, and a bare name a nested type.
"""

import re
from dataclasses import dataclass

SCALARS = {"s": "string", "i": "int", "d": "decimal", "b": "boolean", "t": "dateTime", "n": "integer"}
"""Codes of the notation and the XML Schema types they stand for."""

OPTIONAL_SCALARS = {"s", "n"}

_NOTATION = {
    "BasicDataset": "ID i, Name s, Description s, Value d",
    "Customer": (
        "CustomerID i, Code s, Name s, Contact s, Telephone s, Mobile s, Fax s, Email s, Address1 s, Address2 s, "
        "Address3 s, Address4 s, CountryName s, CountryCode s, Postcode s, Website s, EC i, OutsideEC i, Notes s, "
        "Source i, Discount d, ShowDiscount b, PaymentTerms i, ExtraText1..20 s, CheckBox1..20 i, Created t, "
        "Updated t, CurrencyID i, ContactTitle s, ContactFirstName s, ContactLastName s, CustHasDeliveryAddress n, "
        "DeliveryAddress1 s, DeliveryAddress2 s, DeliveryAddress3 s, DeliveryAddress4 s, DeliveryCountryName s, "
        "DeliveryCountryCode s, DeliveryPostcode s, VATNumber s"
    ),
    "CustomerBalance": "CustomerId i, CustomerCode s, Value d, Balance d",
    "DeliveryAddress": "Name s, Line1 s, Line2 s, Line3 s, Line4 s, PostCode s, CountryName s, CountryCode s",
    "InvoiceLine": (
        "Quantity d, Description s, Rate d, ChargeType i, VatRate d, VatAmount d, ProductID i, Sort i, ProjID i, "
        "LineID i, ValuesInCurrency n"
    ),
    "Invoice": (
        "InvoiceDBID i, InvoiceNumber i, InvoiceDate t, DueDate t, Customer s, CustomerID i, Paid i, "
        "CustomerReference s, EstimateCategory s, SuppressTotal i, ProjectID i, CurrencyCode s, ExchangeRate d, "
        "ReadableString s, Lines [*InvoiceLine], NetAmount d, VATAmount d, AmountPaid d, CustomerName s, PermaLink s, "
        "DeliveryAddress DeliveryAddress, UseCustomDeliveryAddress b"
    ),
    "Invoice_TypeDefined": (
        "InvoiceDBID i, InvoiceNumber i, InvoiceDate t, DueDate t, Customer s, CustomerID i, Paid i, "
        "CustomerReference s, EstimateCategory s, SuppressTotal i, ProjectID i, CurrencyCode s, ExchangeRate d, "
        "ReadableString s, Lines [InvoiceLine], NetAmount d, VATAmount d, AmountPaid d, CustomerName s"
    ),
    "InvoiceNotes": "InvoiceId i, NoteId i, NoteDate t, Notes s",
    "Payment": "PayID i, PayInvoice i, PayDate t, PayNote s, PayMethod i, PayAccount i, PayAmount d",
    "PaymentMethod": "MethodID i, MethodName s",
    "Product": (
        "ProductID i, ProductName s, ProductCode i, ProductDescription s, ManageStockLevels i, QtyInStock i, "
        "ProductPrice d"
    ),
    "ProductsFull": "< Product, subProducts [SubProduct]",
    "SubProduct": (
        "id i, ParentID i, Name s, Code s, Description s, Price d, VatRate d, WholesalePrice d, Managed i, "
        "QtyInStock i, StockWarnQty i, AutoFill i"
    ),
    "NominalCode": "id i, Code i, Name s, debit d, credit d, balance d",
    "NominalCodeExtended": (
        "id i, Code i, Name s, debit d, credit d, balance d, TypeID i, TypeName s, ClassificationID i, "
        "ClassificationName s, AutoFill i, Price d, VATRate d, Description s, Archived b"
    ),
    "TransactionInformation": (
        "Date t, nomid i, Value d, Type i, id i, id2 i, id3 i, Ref1 s, Ref2 s, Ref3 s, Narrative s, ProjId i"
    ),
    "BankAccount": "AccountID i, AccountName s, AccountCode i",
    "BankOverview": "AccountID i, AccountName s, Balance d",
    "BankTransaction": (
        "ID i, accid i, TransactionDate t, moneyin d, moneyout d, Vatable i, VatRate d, VatAmount d, "
        "TransactionType i, Comment s, ProjectID i, CustomerId i, SupplierId i"
    ),
    "BankTXType": "TypeID i, TypeName s, TypeCode i",
    "JournalLine": "NominalID i, Amount d, Comment s, ProjId i",
    "JournalEntry": "DBID i, JournalNumber i, JournalDate t, Comment s, Lines [*JournalLine]",
    "Currencies": "CurrencyId i, CurrencyCode s, ExchangeRate d, isDefault i",
    "UserAccountDefaults": "isVATRegistered b, VATNumber s, Currencies [*Currencies]",
    "UserAccountDefaults_TypeDefined": "isVATRegistered b, VATNumber s, Currencies [Currencies]",
    "CompanyDetails": (
        "CompanyName s, Address1 s, Address2 s, Address3 s, Address4 s, Postcode s, PrimaryEmail s, PrimaryContact s, "
        "Telephone s, Mobile s, VatRegistered s, VatRegistrationNumber s, PaymentTerms i, CurrencySymbol s, "
        "CurrencyPosition s, UsDate s, CurrencyId i, CurrencyName s, BusinessType1 i, BusinessType2 i, "
        "BusinessType3 i, PaymentTermsType s, BusinessType1Name s, BusinessType2Name s, BusinessType3Name s, "
        "BusinessType i"
    ),
}


@dataclass(frozen=True)
class Member:
    """``kind`` is a scalar code or the name of a type; ``array`` is ``""``, ``typed`` or ``any``."""

    name: str
    kind: str
    array: str = ""

    @property
    def is_scalar(self) -> bool:
        return self.kind in SCALARS

    @property
    def required(self) -> bool:
        """minOccurs=1 in the description, hence never left out of an answer."""
        return self.is_scalar and not self.array and self.kind not in OPTIONAL_SCALARS


def members(notation: str) -> list[Member]:
    found: list[Member] = []
    for part in filter(None, (part.strip() for part in notation.split(","))):
        name, kind = part.split()
        if numbered := re.fullmatch(r"(\w+?)1\.\.(\d+)", name):
            found += [Member(f"{numbered[1]}{n}", kind) for n in range(1, int(numbered[2]) + 1)]
        elif kind.startswith("["):
            found.append(Member(name, kind.strip("[*]"), "any" if "*" in kind else "typed"))
        else:
            found.append(Member(name, kind))
    return found


@dataclass(frozen=True)
class ComplexType:
    """``own`` are the members the type adds to ``base``; ``members`` are all."""

    name: str
    base: str
    own: tuple[Member, ...]
    members: tuple[Member, ...]


def _read() -> dict[str, ComplexType]:
    types: dict[str, ComplexType] = {}
    for name, notation in _NOTATION.items():
        base = ""
        if notation.startswith("<"):
            head, notation = notation.split(",", 1)
            base = head.removeprefix("<").strip()
        own = tuple(members(notation))
        inherited = types[base].members if base else ()
        types[name] = ComplexType(name, base, own, (*inherited, *own))
    return types


TYPES: dict[str, ComplexType] = _read()
