from __future__ import annotations

import base64
import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Print a fresh master key, id:base64, to put in front of the others in CAUSEWAY_MASTER_KEYS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", help="a name for the key, for example 2026-11")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{options['id']}:{base64.b64encode(secrets.token_bytes(32)).decode()}")
