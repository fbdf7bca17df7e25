"""The scheduler's process: dead workers' events come back, drains are started, imports are read, old things go."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand

from runs.sweep import sweep_forever


class Command(BaseCommand):
    help = "Run the scheduler's loop until stopped (what ./run scheduler starts)."

    def handle(self, *args: Any, **options: Any) -> None:
        stopping: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda caught, _frame: stopping.append(caught))
        sweep_forever(lambda: bool(stopping))
