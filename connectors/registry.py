"""Every connector, by name, alphabetical. Adding one is a folder and a line here."""

from __future__ import annotations

from connectors.base.manifest import Connector
from connectors.kashflow.manifest import CONNECTOR as KASHFLOW
from connectors.nopcommerce.manifest import CONNECTOR as NOPCOMMERCE

CONNECTORS: dict[str, Connector] = {connector.key: connector for connector in (KASHFLOW, NOPCOMMERCE)}
