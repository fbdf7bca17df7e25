"""Every stand-in there is, alphabetical."""

from sandbox.common.standin import StandIn

STANDINS: dict[str, type[StandIn]] = {}
