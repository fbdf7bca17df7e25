"""The six-call order flow through our own definition: two connectors for the stub, a pair, and one flow."""

from bench.sixcall.books import BOOKS
from bench.sixcall.shop import SHOP

CONNECTORS = {SHOP.key: SHOP, BOOKS.key: BOOKS}
