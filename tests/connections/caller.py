"""A worker process that only calls: enters the gate again and again and prints when it was let through.

    python -m tests.connections.caller <connection id> calls|probe <seconds> <calls> <per_seconds>

Says ``ready`` and begins when told to on its input, so that several begin together. Moments are of the system's
monotonic clock, which all processes of a machine share. ``probe``: every call lasts a moment, so that two probes at
once would show.
"""

import asyncio
import json
import os
import sys
import time
import uuid

import django


async def run(connection_id: str, kind: str, seconds: float, calls: int, per_seconds: float) -> list[float]:
    from connections.gate import ConnectionGate
    from connectors.base.errors import NotSent
    from connectors.base.gate import CallOutcome
    from connectors.base.manifest import RateLimit

    limit = RateLimit(calls=calls, per_seconds=per_seconds, source="test") if kind == "calls" else None
    gate = ConnectionGate(uuid.UUID(connection_id), host="", limit=limit)
    through: list[float] = []
    ends_at = time.monotonic() + seconds

    async def flow() -> None:
        while time.monotonic() < ends_at:
            try:
                await gate.enter("get_order")
            except NotSent as refusal:
                await asyncio.sleep(min(refusal.after_seconds or 0.05, 0.1))
                continue
            through.append(time.monotonic())
            if kind == "probe":
                await asyncio.sleep(0.3)
            await gate.report("get_order", CallOutcome.BROKEN if kind == "probe" else CallOutcome.OK, {})
            await asyncio.sleep(0)

    await asyncio.gather(*(asyncio.create_task(flow()) for _ in range(8)))
    return through


def main() -> None:
    django.setup()
    from django.conf import settings

    import connections.gate  # noqa: F401 - what takes long is over before the start

    settings.DATABASES["default"]["NAME"] = os.environ["CALLER_DATABASE"]
    print("ready", flush=True)
    sys.stdin.readline()
    connection_id, kind, *numbers = sys.argv[1:]
    seconds, calls, per_seconds = map(float, numbers)
    json.dump(asyncio.run(run(connection_id, kind, seconds, int(calls), per_seconds)), sys.stdout)


if __name__ == "__main__":
    main()
