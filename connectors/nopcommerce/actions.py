"""Everything a flow can ask of a shop, by name."""

from __future__ import annotations

from connectors.base.actions import Action
from connectors.nopcommerce.catalogue_writes import SetStock, UpsertCustomer, UpsertProduct
from connectors.nopcommerce.order_writes import AddOrderNote, SetOrderStatus
from connectors.nopcommerce.reads import GetCustomer, GetOrder, GetProduct, GetProductById

ACTIONS: tuple[type[Action], ...] = (
    GetOrder,
    GetCustomer,
    GetProduct,
    GetProductById,
    SetOrderStatus,
    AddOrderNote,
    SetStock,
    UpsertProduct,
    UpsertCustomer,
)
