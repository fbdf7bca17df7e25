"""Writes on orders: status and notes."""

from __future__ import annotations

from connectors.base.actions import ActionContext, Found, Once, Verdict, WriteAction
from connectors.base.errors import Held, Rejected
from connectors.base.records import Canonical, OrderStatus
from connectors.nopcommerce.families.base import ShopFamily
from connectors.nopcommerce.families.calls import WRITE_TIMEOUT_SECONDS
from connectors.nopcommerce.reads import client_of, number_of
from connectors.nopcommerce.setup import DEFAULT_SETTLE_SECONDS

FINAL = (OrderStatus.COMPLETE, OrderStatus.CANCELLED)


class ShopWrite(WriteAction):
    """What all writes to a shop share. ``settle_seconds``: NOTES.md, "After an unknown outcome"."""

    settle_seconds = DEFAULT_SETTLE_SECONDS
    timeout_seconds = WRITE_TIMEOUT_SECONDS + 30  # the write itself and the reads beside it

    def settle(self, ctx: ActionContext) -> float:
        """Seconds to wait after an unknown outcome: the connection's setting, else ``settle_seconds``."""
        return client_of(ctx).setup.settle_seconds


class NewStatus(Canonical):
    order_id: str
    status: OrderStatus


class StatusResult(Canonical):
    """``changed`` False: the order was there already, or further; then ``status`` is what it is and ``why`` says so."""

    order_id: str
    status: OrderStatus
    changed: bool
    why: str = ""


class SetOrderStatus(ShopWrite):
    """Bring an order to a status. Off unless a flow asks for it: in these plug-ins it is a write of the whole row (C7).

    Reads right before and after. Never moves a complete or cancelled order anywhere, nor a processing one back.
    """

    key, title, input, output = "set_order_status", "Set the status of an order", NewStatus, StatusResult
    once = Once.ABSOLUTE

    def external_id(self, output: StatusResult) -> str:
        return output.order_id

    def pretend(self, data: NewStatus) -> StatusResult:
        return StatusResult(order_id=data.order_id, status=data.status, changed=True)

    async def write(self, ctx: ActionContext, data: NewStatus) -> StatusResult:
        """:raises Held: somebody changed the status at the same moment."""
        shop = await client_of(ctx).shop(ctx)
        order_id = number_of(data.order_id, "order")
        present = await shop.order_status(order_id)
        if present is None:
            raise Rejected(f"Order {order_id} does not exist in the shop.", code="not_found")
        if present == data.status:
            return StatusResult(order_id=data.order_id, status=present, changed=False, why="it has that status already")
        if _is_backwards(present, data.status):
            why = f"the order is {present.value} and is not moved back to {data.status.value}"
            return StatusResult(order_id=data.order_id, status=present, changed=False, why=why)
        await shop.write_order_status(order_id, data.status)
        return await self._confirmed(shop, order_id, data)

    async def _confirmed(self, shop: ShopFamily, order_id: int, data: NewStatus) -> StatusResult:
        reached = await shop.order_status(order_id)
        if reached is not None and reached != data.status and not _is_backwards(reached, data.status):
            raise Held(
                f"Order {order_id} should be {data.status.value} now, but the shop says {reached.value}.",
                code="status_not_kept",
                cure="Look at the order in the shop, then press Retry or Skip.",
            )
        return StatusResult(order_id=data.order_id, status=reached or data.status, changed=True)


def _is_backwards(present: OrderStatus, wanted: OrderStatus) -> bool:
    """Complete and cancelled are final; processing does not become pending again."""
    return present in FINAL or (present is OrderStatus.PROCESSING and wanted is OrderStatus.PENDING)


class NewNote(Canonical):
    """``reference`` names the effect; it is written into the note, where a repeat finds it."""

    order_id: str
    text: str
    reference: str


class NoteRef(Canonical):
    id: str
    order_id: str
    text: str


class AddOrderNote(ShopWrite):
    """Add a note for the shop's staff (never shown to the customer). Family A only."""

    key, title, input, output = "add_order_note", "Add a note to an order", NewNote, NoteRef
    once = Once.LOOK_FIRST

    def external_id(self, output: NoteRef) -> str:
        return output.id

    def pretend(self, data: NewNote) -> NoteRef:
        return NoteRef(id="(new)", order_id=data.order_id, text=_full_text(data))

    async def find(self, ctx: ActionContext, data: NewNote) -> Found[NoteRef] | None:
        shop = await client_of(ctx).shop(ctx)
        for note_id, text in await shop.order_notes(number_of(data.order_id, "order")):
            if _mark(data) in text:
                ref = NoteRef(id=str(note_id), order_id=data.order_id, text=text)
                same = text.strip() == _full_text(data)
                why = "" if same else "the note under this reference has another text"
                return Found(Verdict.SAME if same else Verdict.CHANGED, ref, ref.id, why)
        return None

    async def write(self, ctx: ActionContext, data: NewNote) -> NoteRef:
        shop = await client_of(ctx).shop(ctx)
        note_id = await shop.add_order_note(number_of(data.order_id, "order"), _full_text(data))
        return NoteRef(id=str(note_id), order_id=data.order_id, text=_full_text(data))


def _mark(data: NewNote) -> str:
    return f"[{data.reference}]"


def _full_text(data: NewNote) -> str:
    return f"{data.text.strip()} {_mark(data)}"
