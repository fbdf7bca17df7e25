from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.clock import database_now
from tenants.rotation import Tally, data_keys_renew, data_keys_rewrap, values_reseal


class Command(BaseCommand):
    help = (
        "Rotate sealing keys: --rewrap data keys by the newest master key, --renew data keys older than --older-than "
        "days, --reseal values under the newest data keys. Without a choice: all three. Safe to stop and repeat."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rewrap", action="store_true")
        parser.add_argument("--renew", action="store_true")
        parser.add_argument("--reseal", action="store_true")
        parser.add_argument("--older-than", type=int, default=90, metavar="DAYS", help="for --renew (default 90)")
        parser.add_argument("--batch", type=int, default=200, metavar="ROWS", help="for --reseal (default 200)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch"] < 1 or options["older_than"] < 0:
            raise CommandError("--batch must be at least 1, --older-than at least 0")
        everything = not (options["rewrap"] or options["renew"] or options["reseal"])
        broken: tuple[str, ...] = ()
        if everything or options["rewrap"]:
            self._say("data keys wrapped anew", data_keys_rewrap())
        if everything or options["renew"]:
            made_before = database_now() - timedelta(days=options["older_than"])
            self._say("data keys renewed", data_keys_renew(made_before=made_before))
        if everything or options["reseal"]:
            tally = values_reseal(batch=options["batch"])
            self._say("values sealed anew", tally)
            broken = tally.broken
        if broken:
            raise CommandError("could not be opened and were left alone: " + ", ".join(broken))

    def _say(self, what: str, tally: Tally) -> None:
        self.stdout.write(f"{what}: {tally.changed} of {tally.seen}")
