"""One shop: its tables, its clock, its events. Everything else in this package works on a ``Shop``."""

import datetime as dt
import random
import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from sandbox.common.jsonable import from_json, to_json
from sandbox.common.settings import Settings
from sandbox.common.visibility import Table
from sandbox.nopcommerce import tables
from sandbox.nopcommerce.row import Row, store_amounts
from sandbox.nopcommerce.settings import shop_settings

R = TypeVar("R", bound=Row)

Listener = Callable[[str, Row], None]


class Rows(Table[int, R]):
    """A table with ids from 1 upwards, never used twice."""

    def __init__(self, kind: type[R]) -> None:
        super().__init__()
        self.kind = kind
        self.last_id = 0
        self._indexes: dict[str, dict[Any, dict[int, R]]] = {}

    def by(self, member: str, value: Any) -> list[R]:
        """Rows whose foreign key ``member`` has this value, ascending by id; indexed, so cheap in a large shop."""
        if member not in self._indexes:
            index: dict[Any, dict[int, R]] = {}
            for row in self.rows.values():
                index.setdefault(getattr(row, member), {})[row.id] = row
            self._indexes[member] = index
        return list(self._indexes[member].get(value, {}).values())

    def readable_by(self, member: str, value: Any) -> list[R]:
        """``by`` as outside readers see it."""
        return [seen for row in self.by(member, value) if (seen := self.read(row.id)) is not None]

    def insert(self, row: R) -> R:
        self.last_id += 1
        row.id = self.last_id
        store_amounts(row)
        for member, index in self._indexes.items():
            index.setdefault(getattr(row, member), {})[row.id] = row
        return self.add(row.id, row)

    def delete(self, key: int) -> R:
        for index in self._indexes.values():
            for rows in index.values():
                rows.pop(key, None)
        return super().delete(key)

    def save(self, row: R) -> None:
        """After changes: amounts are cut to the column's places."""
        store_amounts(row)

    def reindex(self) -> None:
        """After a raw write that may have changed foreign keys."""
        self._indexes.clear()

    def dump(self) -> dict[str, Any]:
        return {"last_id": self.last_id, "rows": [to_json(row) for row in self.rows.values()]}

    def restore(self, stored: dict[str, Any]) -> None:
        self.last_id = stored["last_id"]
        self.rows = {row.id: row for row in (from_json(self.kind, data) for data in stored["rows"])}
        self.reindex()


class Shop:
    """``publish`` tells listeners (webhooks) what happened, by event names such as ``orders/create``.

    ``rng`` drives everything that looks random, so equal seeds and calls give equal shops.
    """

    def __init__(self, *, seed: int = 1, settings: Settings | None = None) -> None:
        self.settings = settings or shop_settings()
        self.rng = random.Random(seed)
        self.listeners: list[Listener] = []
        self.stores = Rows(tables.Store)
        self.countries = Rows(tables.Country)
        self.states = Rows(tables.StateProvince)
        self.currencies = Rows(tables.Currency)
        self.tax_categories = Rows(tables.TaxCategory)
        self.warehouses = Rows(tables.Warehouse)
        self.addresses = Rows(tables.Address)
        self.roles = Rows(tables.CustomerRole)
        self.customers = Rows(tables.Customer)
        self.attributes = Rows(tables.GenericAttribute)
        self.points = Rows(tables.RewardPointsHistory)
        self.products = Rows(tables.Product)
        self.combinations = Rows(tables.ProductAttributeCombination)
        self.warehouse_stock = Rows(tables.ProductWarehouseInventory)
        self.stock_history = Rows(tables.StockQuantityHistory)
        self.orders = Rows(tables.Order)
        self.order_items = Rows(tables.OrderItem)
        self.order_notes = Rows(tables.OrderNote)
        self.gift_cards = Rows(tables.GiftCard)
        self.gift_card_usage = Rows(tables.GiftCardUsageHistory)
        self.shipments = Rows(tables.Shipment)
        self.shipment_items = Rows(tables.ShipmentItem)
        self.return_requests = Rows(tables.ReturnRequest)
        self.tax_rates: dict[int, str] = {}  # tax category id → per cent
        self.primary_currency_id = 0

    @property
    def store(self) -> tables.Store:
        """The one store this process hosts."""
        return self.stores.all()[0]

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.settings["clock_offset_seconds"])

    def epoch(self) -> float:
        """Wall clock, untouched by the offset: for measuring how long others took."""
        return time.time()

    def new_guid(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def publish(self, event: str, row: Row) -> None:
        for listener in self.listeners:
            listener(event, row)

    def all_rows(self) -> dict[str, Rows[Any]]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Rows)}

    def dump(self) -> dict[str, Any]:
        return {
            "tables": {name: rows.dump() for name, rows in self.all_rows().items()},
            "tax_rates": {str(key): rate for key, rate in self.tax_rates.items()},
            "primary_currency_id": self.primary_currency_id,
            "rng": to_json(self.rng.getstate()),
        }

    def restore(self, stored: dict[str, Any]) -> None:
        for name, rows in self.all_rows().items():
            if name in stored["tables"]:
                rows.restore(stored["tables"][name])
        self.tax_rates = {int(key): rate for key, rate in stored["tax_rates"].items()}
        self.primary_currency_id = stored["primary_currency_id"]
        version, internal, gauss = stored["rng"]
        self.rng.setstate((version, tuple(internal), gauss))
