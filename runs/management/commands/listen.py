"""A listener's process: holds its share of the streams open."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand

from runs.listener import ListenerProcess


class Command(BaseCommand):
    help = "Hold streams of connections open until stopped (what ./run listener starts)."

    def handle(self, *args: Any, **options: Any) -> None:
        stopping: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda caught, _frame: stopping.append(caught))
        asyncio.run(ListenerProcess().run(lambda: bool(stopping)))
