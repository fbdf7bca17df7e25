"""Shipments, return requests and gift cards of the official plug-in."""

from collections.abc import Iterator
from typing import Any

from sandbox.nopcommerce import shipping
from sandbox.nopcommerce.enums import ReturnRequestStatus, value_of
from sandbox.nopcommerce.family_a.call import Call, Handler, dtos
from sandbox.nopcommerce.placing import gift_card_balance
from sandbox.nopcommerce.tables import GiftCard, ReturnRequest, Shipment


def routes() -> Iterator[tuple[str, str, Handler]]:
    yield "GET", "Shipment/GetAll", _shipments
    yield "GET", "Shipment/GetByIds/{ids}", _shipments_by_ids
    yield "GET", "Shipment/GetByOrderId/{orderId}", _shipments_of_order
    yield "GET", "ShipmentItem/GetByShipmentId/{id}", _shipment_items
    yield "GET", "ReturnRequest/Search", _return_requests
    yield "GET", "GiftCard/GetAll", _gift_cards
    yield "GET", "GiftCard/GetByPurchasedWithOrderItemId/{id}", _gift_cards_of_item
    yield "GET", "GiftCard/IsGiftCardValid/{id}", _is_valid
    yield "GET", "GiftCard/GetGiftCardRemainingAmount/{id}", _remaining
    yield "GET", "GiftCardUsageHistory/GetGiftCardUsageHistoryByGiftCard/{id}", _usage("gift_card_id")
    yield "GET", "GiftCardUsageHistory/GetGiftCardUsageHistoryByOrder/{id}", _usage("used_with_order_id")


async def _shipments(call: Call) -> Any:
    kept = [s for s in call.shop.shipments.read_all() if _is_wanted(call, s)]
    return call.paged(sorted(kept, key=lambda s: (s.created_on_utc, s.id), reverse=True))


def _is_wanted(call: Call, shipment: Shipment) -> bool:
    start, end, tracking = call.moment("createdFromUtc"), call.moment("createdToUtc"), call.text("trackingNumber")
    if (start and shipment.created_on_utc < start) or (end and shipment.created_on_utc > end):
        return False
    if call.flag("loadNotShipped") and shipment.shipped_date_utc is not None:
        return False
    if call.flag("loadNotDelivered") and shipment.delivery_date_utc is not None:
        return False
    in_order = call.number("orderId") in (0, shipment.order_id)
    return in_order and (not tracking or tracking in (shipment.tracking_number or ""))


async def _shipments_by_ids(call: Call) -> Any:
    rows = (call.shop.shipments.read(number) for number in call.path_ids("ids"))
    return dtos(row for row in rows if row is not None)


async def _shipments_of_order(call: Call) -> Any:
    call.row(call.shop.orders, "orderId")
    shipped = call.flag("shipped", None)
    rows = shipping.shipments_of(call.shop, call.id("orderId"))
    return dtos(s for s in rows if shipped is None or (s.shipped_date_utc is not None) is shipped)


async def _shipment_items(call: Call) -> Any:
    return dtos(shipping.lines_of(call.shop, call.row(call.shop.shipments)))


async def _return_requests(call: Call) -> Any:
    kept = [r for r in call.shop.return_requests.read_all() if _is_asked_for(call, r)]
    return call.paged(sorted(kept, key=lambda r: (r.created_on_utc, r.id), reverse=True))


def _is_asked_for(call: Call, row: ReturnRequest) -> bool:
    start, end, number = call.moment("createdFromUtc"), call.moment("createdToUtc"), call.text("customNumber")
    if (start and row.created_on_utc < start) or (end and row.created_on_utc > end):
        return False
    exact = {"storeId": row.store_id, "customerId": row.customer_id, "orderItemId": row.order_item_id}
    if any(call.number(name) not in (0, value) for name, value in exact.items()):
        return False
    status = call.text("rs")
    wanted = None if not status else int(status) if status.isdigit() else value_of(ReturnRequestStatus, status)
    return (not status or row.return_request_status_id == wanted) and (not number or row.custom_number == number)


async def _gift_cards(call: Call) -> Any:
    kept = [card for card in call.shop.gift_cards.read_all() if _card_matches(call, card)]
    return call.paged(sorted(kept, key=lambda card: (card.created_on_utc, card.id), reverse=True))


def _card_matches(call: Call, card: GiftCard) -> bool:
    code, active = call.text("giftCardCouponCode"), call.flag("isGiftCardActivated", None)
    if (code and card.gift_card_coupon_code != code) or (
        active is not None and card.is_gift_card_activated is not active
    ):
        return False
    bought, used = call.number("purchasedWithOrderId"), call.number("usedWithOrderId")
    item = call.shop.order_items.get(card.purchased_with_order_item_id or 0)
    if bought and (item is None or item.order_id != bought):
        return False
    usage = call.shop.gift_card_usage.by("gift_card_id", card.id)
    return not used or any(row.used_with_order_id == used for row in usage)


async def _gift_cards_of_item(call: Call) -> Any:
    return dtos(call.shop.gift_cards.readable_by("purchased_with_order_item_id", call.id()))


async def _is_valid(call: Call) -> Any:
    return gift_card_balance(call.shop, call.row(call.shop.gift_cards)) > 0


async def _remaining(call: Call) -> Any:
    return float(gift_card_balance(call.shop, call.row(call.shop.gift_cards)))


def _usage(member: str) -> Handler:
    async def get(call: Call) -> Any:
        return dtos(call.shop.gift_card_usage.readable_by(member, call.id()))

    return get
