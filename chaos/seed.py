"""Run as a program with the installation's environment: the demo tenant on the given stand-ins, with settings."""

from __future__ import annotations

import json
import sys

import django


def main(shop_url: str, ledger_url: str, options: str) -> None:
    """:param options: JSON with ``family``, ``poll_seconds``, ``settle_seconds``, ``settings``."""
    django.setup()
    from demo.seed import SandboxSystems, catalogue_align, demo_pair, demo_tenant

    given = json.loads(options)
    systems = SandboxSystems(
        shop_url=given.get("shop_for_us", shop_url),
        ledger_url=given.get("ledger_for_us", ledger_url),
        family=given["family"],
        poll_seconds=given["poll_seconds"],
        settle_seconds=given["settle_seconds"],
    )
    catalogue_align(systems)
    installation = demo_pair(demo_tenant(), systems)
    installation.settings = {**installation.settings, **given["settings"]}
    installation.save(update_fields=["settings"])


if __name__ == "__main__":
    main(*sys.argv[1:])
