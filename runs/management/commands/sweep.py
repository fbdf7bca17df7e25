"""The runner's own loop beside web and queue: dead workers' events come back, drains are started."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand

from runs.sweep import sweep_forever


class Command(BaseCommand):
    help = "Return events of dead workers and keep the drains running, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        stopping: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda caught, _frame: stopping.append(caught))
        sweep_forever(lambda: bool(stopping))
