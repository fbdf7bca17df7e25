"""The named pure functions a map node may use: the document package, offered to definitions by name.

Arguments arrive as plain values and are typed by the function's own annotations; a record that still is the wanted
model is handed on as it is. Results become plain values again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from flows.engine.booking import (
    booking_rules,
    posted_documents,
    shop_sku,
    sold_quantities,
    stock_target_of,
)
from flows.engine.documents.addresses import standard_address
from flows.engine.documents.credit import cancel_draft, credit_draft
from flows.engine.documents.customer import customer_draft
from flows.engine.documents.difference import difference_draft, only_adds
from flows.engine.documents.invoice import invoice_draft
from flows.engine.documents.payments import (
    money_back_draft,
    money_back_drafts,
    money_returned,
    payment_drafts,
)
from flows.engine.documents.take_back import take_back_plan
from flows.engine.mapping import input_refused, mapping_failed
from flows.engine.merging import records_merge
from flows.engine.values import Record, plain


@dataclass(frozen=True)
class Builtin:
    """``quiet``: the result is configuration, too large and too dull for the journal."""

    name: str
    title: str
    function: Callable[..., Any]
    quiet: bool = False

    @property
    def arguments(self) -> dict[str, bool]:
        """Argument name → required."""
        parameters = inspect.signature(self.function).parameters.values()
        return {parameter.name: parameter.default is inspect.Parameter.empty for parameter in parameters}


def builtin_call(builtin: Builtin, arguments: Mapping[str, Any]) -> Any:
    """:raises MappingFailed: an argument or the result does not fit; names the field.

    :raises ConnectorError: whatever the function itself says.
    """
    adapters = _adapters(builtin.name)
    try:
        typed = {name: adapters[name].validate_python(_models(value)) for name, value in arguments.items()}
    except ValidationError as error:
        raise input_refused(error, builtin.title) from error
    try:
        return plain(builtin.function(**typed))
    except ValidationError as error:
        raise input_refused(error, builtin.title) from error
    except (TypeError, ArithmeticError) as error:
        raise mapping_failed(builtin.name, f"the values do not suit {builtin.title} ({error})") from error


def _models(value: Any) -> Any:
    if isinstance(value, Record):
        return value.model
    if isinstance(value, list):
        return [_models(item) for item in value]
    return value


@lru_cache(maxsize=64)
def _adapters(name: str) -> dict[str, TypeAdapter[Any]]:
    function = BUILTINS[name].function
    hints = get_type_hints(function)
    return {parameter: _adapter(hints.get(parameter, Any)) for parameter in inspect.signature(function).parameters}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    is_model = inspect.isclass(kind) and issubclass(kind, BaseModel)
    return TypeAdapter(kind) if is_model else TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True))


BUILTINS: dict[str, Builtin] = {
    entry.name: entry
    for entry in (
        Builtin("booking_rules", "Booking rules of the settings", booking_rules, quiet=True),
        Builtin("posted_documents", "Documents written so far", posted_documents, quiet=True),
        Builtin("invoice_draft", "Invoice of an order", invoice_draft),
        Builtin("credit_draft", "Credit note of a refund", credit_draft),
        Builtin("cancel_draft", "Credit note of a cancellation", cancel_draft),
        Builtin("difference_draft", "Difference to an edited order", difference_draft),
        Builtin("only_adds", "Whether a difference only adds", only_adds),
        Builtin("take_back_plan", "What to do with the documents of an order that is taken back", take_back_plan),
        Builtin("payment_drafts", "Payments and tenders of an order", payment_drafts),
        Builtin("money_back_drafts", "Payments back on the credit notes", money_back_drafts),
        # Named by stored pair versions; they go one release after the flows that name them.
        Builtin("money_back_draft", "Payment back on a credit note", money_back_draft),
        Builtin("money_returned", "Paid back so far", money_returned),
        Builtin("customer_draft", "Customer of the ledger", customer_draft),
        Builtin("standard_address", "Address in one form", standard_address),
        Builtin("stock_target", "Quantity the shop may sell", stock_target_of),
        Builtin("shop_sku", "Shop SKU of a ledger product", shop_sku),
        Builtin("sold_quantities", "Quantities an order sold", sold_quantities),
        Builtin("merge", "Merge of duplicates", records_merge),
    )
}
