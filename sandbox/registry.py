"""Every stand-in there is, alphabetical."""

from sandbox.common.standin import StandIn
from sandbox.kashflow import KashFlow

STANDINS: dict[str, type[StandIn]] = {
    "kashflow": KashFlow,
}
