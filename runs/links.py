"""Remembered effects as the engine reads them, for many records or keys at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from flows.engine.ports import Link
from runs.database import Database
from runs.models import Record, RecordLink
from runs.payloads import LINK, payload_open


def link_read(row: RecordLink) -> Link:
    return Link(
        effect_key=row.effect_key,
        operation=row.operation,
        external_id=row.external_id,
        output=payload_open(row.organisation_id, LINK, row.effect_key, row.sealed),
        qualifier=row.qualifier,
        adopted=row.adopted,
        why=row.why,
        input_facts=row.facts,
    )


def links_load(records: Iterable[Record]) -> tuple[dict[int, list[Link]], dict[int, Exception]]:
    """Every standing effect remembered for these records, oldest first; what was taken back is left out.

    :returns: the links, and why those of a record could not be read: its trouble must not be its neighbours'.
    """
    rows = RecordLink.unscoped.filter(record__in=[record.pk for record in records], taken_back_at__isnull=True)
    found: dict[int, list[Link]] = defaultdict(list)
    broken: dict[int, Exception] = {}
    for row in rows.order_by("pk"):
        try:
            found[row.record_id].append(link_read(row))
        except Exception as error:
            broken[row.record_id] = error
    return found, broken


def links_of_names(organisation_id: int, lane: str, record: tuple[str, str]) -> list[Link]:
    """As ``links_load``, for a record that may not have been seen yet."""
    rows = RecordLink.unscoped.filter(
        organisation_id=organisation_id,
        record__lane=lane,
        record__record_type=record[0],
        record__record_id=record[1],
        taken_back_at__isnull=True,
    )
    return [link_read(row) for row in rows.order_by("pk")]


def links_find(wanted: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Link]:
    """Standing effects by tenant and effect key; those that are not remembered are left out."""
    keys = {key for _, key in wanted}
    rows = RecordLink.unscoped.filter(
        organisation_id__in={tenant for tenant, _ in wanted}, effect_key__in=keys, taken_back_at__isnull=True
    )
    return {(row.organisation_id, row.effect_key): link_read(row) for row in rows}


class LinkFinder:
    """Asks for remembered effects of other records, many events' questions in one query.

    A question is answered by a query that began after it was asked, so it sees whatever was committed before.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: dict[tuple[int, str], list[asyncio.Future[Link | None]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def find(self, organisation_id: int, effect_key: str) -> Link | None:
        answer: asyncio.Future[Link | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault((organisation_id, effect_key), []).append(answer)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._answer())
        return await answer

    async def _answer(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                found = await self._database.run(links_find, list(asked))
            except Exception as error:
                self._give(asked, lambda key, answer, error=error: answer.set_exception(error))  # type: ignore[misc]
            else:
                self._give(asked, lambda key, answer, found=found: answer.set_result(found.get(key)))  # type: ignore[misc]

    @staticmethod
    def _give(
        asked: dict[tuple[int, str], list[asyncio.Future[Link | None]]],
        give: Callable[[tuple[int, str], asyncio.Future[Link | None]], None],
    ) -> None:
        for key, answers in asked.items():
            for answer in answers:
                if not answer.done():  # the attempt that asked may have been cancelled
                    give(key, answer)
