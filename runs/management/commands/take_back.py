"""``manage.py take_back --installation 3 --day 2026-11-20 --dry-run``: the take-back of the pages, for operators."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from flows.models import Installation
from runs.models import Record, TakeBack
from runs.preview import PreviewItem
from runs.takebacks import (
    Selection,
    TakeBackRefused,
    record_post_again,
    selection_records,
    takeback_preview,
    takeback_start,
)
from tenants.clock import database_now

PAGE = 50


class Command(BaseCommand):
    help = "Take back what an installation posted: one order, one run, one day, one import, or everything."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--installation", type=int, required=True)
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--order", help="the shop's id of one order")
        which.add_argument("--run", help="public id of a run")
        which.add_argument("--day", help="posted on this day, 2026-11-20")
        which.add_argument("--import", dest="import_", help="public id of an import")
        which.add_argument("--since-start", action="store_true", help="everything since go-live")
        which.add_argument("--post-again", metavar="ORDER", help="post an order again that was taken back")
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        installation = (
            Installation.unscoped.select_related("organisation", "pair_version", "source", "target")
            .filter(pk=options["installation"])
            .first()
        )
        if installation is None:
            raise CommandError(f"There is no installation {options['installation']}.")
        try:
            if options["post_again"]:
                self._post_again(installation, options["post_again"])
            else:
                self._take_back(installation, _selection(options), options)
        except TakeBackRefused as error:
            raise CommandError(str(error)) from error

    def _take_back(self, installation: Installation, selection: Selection, options: dict[str, Any]) -> None:
        count = selection_records(installation, selection).count()
        for first in range(0, count, PAGE):
            for item in takeback_preview(installation, selection, first=first, most=PAGE):
                self._say(item)
        self.stdout.write(f"{installation}: {count} orders")
        if options["dry_run"] or not count:
            return
        if not options["yes"] and input(f"Take back {count} orders? Type the number: ").strip() != str(count):
            raise CommandError("Nothing was changed.")
        take_back = takeback_start(
            installation=installation, selection=selection, expected=count, at=database_now(), by=None
        )
        self.stdout.write(f"{take_back.count} orders are being taken back ({take_back.public_id}).")

    def _say(self, item: PreviewItem) -> None:
        self.stdout.write(f"order {item.record_id}: {item.outcome.replace('_', ' ')} {item.reason}".rstrip())
        for row in item.facts.get("take_back") or []:
            locked = {True: "locked", False: "open", None: "lock not known"}[row["locked"]]
            self.stdout.write(
                f"  {row['reference']:<20} no {row['number']:<8} {row['issued_date'] or '':<10} {row['gross']:>10} "
                f"paid {row['paid']}, {locked}: {row['fate']} {row['why']}".rstrip()
            )

    def _post_again(self, installation: Installation, order: str) -> None:
        rows = Record.objects.for_tenant(installation.organisation).filter(installation=installation, record_id=order)
        record = rows.filter(record_type="order").first()
        if record is None:
            raise CommandError(f"Nobody has heard of order {order}.")
        record_post_again(record=record, at=database_now(), by=None)
        self.stdout.write(f"Order {order} is being posted again.")


def _selection(options: dict[str, Any]) -> Selection:
    given = {
        TakeBack.Kind.RECORD: options["order"],
        TakeBack.Kind.RUN: options["run"],
        TakeBack.Kind.DAY: options["day"],
        TakeBack.Kind.IMPORT: options["import_"],
    }
    return next((Selection(kind, value) for kind, value in given.items() if value), Selection(TakeBack.Kind.START))
