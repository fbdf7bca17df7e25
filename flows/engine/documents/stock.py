"""How many the shop may still sell."""

from __future__ import annotations


def stock_target(ledger_quantity: int, pending_quantity: int) -> int:
    """The quantity to write to the shop: what the ledger holds less what the shop has sold and is not invoiced yet.

    The ledger lowers its stock when an invoice is written (rule C24), so an order that waits must be taken off here
    or its goods would be offered twice. Never below 0: an oversold product shows as sold out, and shops differ in
    what they do with a negative quantity.
    """
    return max(0, ledger_quantity - pending_quantity)
