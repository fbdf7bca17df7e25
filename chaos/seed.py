"""Run as a program with the installation's environment: the demo tenant on the given stand-ins, with settings."""

from __future__ import annotations

import copy
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import django


def main(shop_url: str, ledger_url: str, options: str) -> None:
    """:param options: JSON with ``family``, ``poll_seconds``, ``settle_seconds``, ``settings``, ``harness``."""
    django.setup()
    from demo.seed import SandboxSystems, catalogue_align, demo_pair, demo_tenant

    given = json.loads(options)
    systems = SandboxSystems(
        shop_url=shop_url,
        ledger_url=ledger_url,
        family=given["family"],
        poll_seconds=given["poll_seconds"],
        settle_seconds=given["settle_seconds"],
    )
    catalogue_align(systems)
    installation = demo_pair(demo_tenant(), systems)
    installation.settings = {**installation.settings, **given["settings"]}
    installation.save(update_fields=["settings"])
    if given["harness"]:
        installation.source.settings = {**installation.source.settings, "create_customers": "true"}
        installation.source.save(update_fields=["settings"])
        _harness(installation)


def _harness(installation: Any) -> None:
    """Flows of chaos's own beside those of the pair, for writes that no prebuilt flow makes."""
    from connectors.registry import CONNECTORS
    from flows.engine.checks import definition_check
    from flows.models import PairVersion

    document = copy.deepcopy(installation.pair_version.document)
    flows = json.loads(Path(__file__).with_name("harness.json").read_text())
    document["flows"] += flows
    document["pair"]["flows"] += [flow["key"] for flow in flows]
    if problems := definition_check(document, CONNECTORS):
        raise ValueError(problems)
    installation.pair_version = PairVersion.objects.create(
        pair_key=document["pair"]["key"],
        number=installation.pair_version.number + 1,
        title=document["pair"]["title"],
        document=document,
        digest=hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest(),
        created_at=installation.created_at,
    )
    installation.save(update_fields=["pair_version"])


if __name__ == "__main__":
    main(*sys.argv[1:])
