"""Every stand-in there is, alphabetical."""

from sandbox.common.standin import StandIn
from sandbox.kashflow import KashFlow
from sandbox.nopcommerce.standin import NopCommerce

STANDINS: dict[str, type[StandIn]] = {
    "kashflow": KashFlow,
    "nopcommerce": NopCommerce,
}
