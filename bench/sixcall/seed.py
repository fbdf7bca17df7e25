"""A tenant with the six-call pair switched on. Runs inside Django, before anything is measured."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bench.sixcall.tenant import Tenant
from connections.models import Connection
from connections.services import connection_create, connection_test
from connectors.registry import CONNECTORS
from flows.engine.checks import definition_check
from flows.models import Installation, PairVersion
from flows.services import account_key
from runs.slots import slots_prepare
from tenants.clock import database_now
from tenants.models import Organisation

_FOLDER = Path(__file__).parent / "pair"


def document() -> dict[str, Any]:
    """:raises ValueError: the definition does not pass the product's own check."""
    pair = json.loads((_FOLDER / "pair.json").read_text())
    flows = [json.loads((_FOLDER / f"{key}.json").read_text()) for key in pair["flows"]]
    made = {"pair": pair, "flows": flows}
    if problems := definition_check(made, CONNECTORS):
        raise ValueError("; ".join(map(str, problems)))
    return made


def version() -> PairVersion:
    made = document()
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    found, _ = PairVersion.objects.get_or_create(
        pair_key=made["pair"]["key"],
        digest=digest,
        defaults={"number": 1, "title": made["pair"]["title"], "document": made, "created_at": database_now()},
    )
    return found


def tenant(name: str, stub: str, *, searchable: bool = False) -> Tenant:
    """:param stub: the stub's ``host:port``; it must be answering, because the connections are tested."""
    now = database_now()
    organisation = Organisation.objects.create(slug=f"bench-{name}", name=f"Bench {name}", created_at=now)
    sides = [_connection(organisation, side, name, stub, searchable) for side in ("bench_shop", "bench_books")]
    installation = Installation.objects.create(
        organisation=organisation,
        name=f"Bench {name}",
        pair_version=version(),
        source=sides[0],
        target=sides[1],
        source_account=account_key(sides[0]),
        target_account=account_key(sides[1]),
        settings={},
        reference_prefix="B-",
        start_at=now,
        state=Installation.State.ACTIVE,
        created_at=now,
    )
    slots_prepare()
    return Tenant(
        installation.pk,
        organisation.pk,
        f"/hooks/{sides[0].webhook_public_id}",
        f"/bench/task/{sides[0].webhook_public_id}",
        f"/bench/tuned-task/{sides[0].webhook_public_id}",
        sides[0].sealed_get("sealed_webhook_secret").decode(),
        sides[0].account_id,
    )


def _connection(organisation: Organisation, connector: str, name: str, stub: str, searchable: bool) -> Connection:
    now = database_now()
    values = {
        "address": f"http://{stub}",
        "account": f"{connector}-{name}",
        "token": "bench-token",
        "searchable": str(searchable).lower(),
    }
    made = connection_create(
        organisation=organisation, connector=connector, name=connector, values=values, at=now, by=None
    )
    connection_test(connection=made, at=now)
    return made
