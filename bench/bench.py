"""What the parts share: one stack, one tenant with the six-call pair, and whether the workers run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from bench.sixcall.tenant import Tenant
from bench.stack import Stack


class Bench:
    """``say`` tells people how it goes; figures are returned."""

    def __init__(self, stack: Stack, options: argparse.Namespace, say: Callable[[str], None]) -> None:
        self.stack, self.options, self.say = stack, options, say
        self.quick: bool = options.quick
        self._tenants: dict[str, Tenant] = {}

    def tenant(self, name: str = "one", **how: Any) -> Tenant:
        """Seeded at the first call. ``how``: as ``bench.sixcall.seed.tenant`` takes it."""
        if name not in self._tenants:
            from bench.sixcall import seed

            self._tenants[name] = seed.tenant(name, how.pop("stub", self.stack.stub.address), **how)
        return self._tenants[name]

    def web(self) -> None:
        if "web" not in self.stack.running:
            self.stack.start_web()

    def workers(self, on: bool, **environment: str) -> None:
        """Start or stop cluster and sweep; ``environment`` differs from the stack's for this start."""
        if on and "queue" not in self.stack.running:
            self.stack.start_queue(**environment)
        if not on:
            self.stack.stop("sweep", "queue")

    def clear(self) -> None:
        """Forget what waits in the inbox: webhooks that only burdened the door, backlogs nobody needs any more."""
        from runs.models import InboxEvent

        InboxEvent.unscoped.all().delete()
