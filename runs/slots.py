"""Which drains live. A slot belongs to a host; its drain is a queue task addressed to that host's cluster.

A host makes its own slots, one per queue worker, and says every few seconds that it is there. Nobody starts drains on a
host that is not: tasks would pile up in a queue that nobody reads.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, IntegrityError, close_old_connections, transaction
from django.db.models import Max, Q, QuerySet

from runs.models import InboxEvent, PollCursor, WorkerSlot
from runs.processes import process_is_gone, process_name
from tenants.clock import database_now

log = logging.getLogger(__name__)

STALE_HEARTBEAT = timedelta(seconds=10)
RENUDGE_AFTER = timedelta(seconds=5)
HOST_BEAT_SECONDS = 2.0
HOST_AWAY_AFTER = timedelta(seconds=15)
HOST_FORGOTTEN_AFTER = timedelta(minutes=10)
KEEP_SECONDS = 0.5
DEAF_AFTER_SECONDS = 30.0


def queue_of(host: str) -> str:
    """The queue that this host's cluster reads, and no other."""
    return f"{settings.Q_CLUSTER['name']}-{host}"


# A host's own slots


def slots_prepare() -> None:
    """One slot per queue worker of this host: made, or taken over from its earlier life; more than that go."""
    mine = WorkerSlot.objects.filter(host=settings.HOST_NAME)
    mine.filter(place__gte=settings.QUEUE_WORKERS, alive=False).delete()
    have = set(mine.values_list("place", flat=True))
    for place in range(settings.QUEUE_WORKERS):
        if place not in have:
            _slot_create(settings.HOST_NAME, place)
    mine.update(host_seen_at=database_now())
    slots_bury()


def _slot_create(host: str, place: int) -> None:
    while not WorkerSlot.objects.filter(host=host, place=place).exists():
        top = WorkerSlot.objects.aggregate(top=Max("number"))["top"]
        number = 0 if top is None else top + 1
        try:
            with transaction.atomic():
                WorkerSlot.objects.create(number=number, host=host, place=place)
        except IntegrityError:
            continue  # another host took the number, or another process made this very slot


def slots_bury() -> int:
    """Free this machine's slots whose process ended without a word, and end its leases: nothing more can be sent."""
    buried = 0
    for slot in WorkerSlot.objects.filter(host=settings.HOST_NAME, alive=True).exclude(process=""):
        if process_is_gone(slot.process):
            buried += _slot_bury(slot)
    return buried


@transaction.atomic
def _slot_bury(slot: WorkerSlot) -> int:
    mine = WorkerSlot.objects.filter(pk=slot.pk, worker=slot.worker, alive=True)
    if not mine.update(alive=False, nudged_at=None):
        return 0
    now = database_now()
    leased = InboxEvent.unscoped.filter(state=InboxEvent.State.LEASED, worker=slot.worker, lease_expires_at__gt=now)
    ended = leased.update(lease_expires_at=now)
    ended += PollCursor.unscoped.filter(worker=slot.worker, lease_expires_at__gt=now).update(lease_expires_at=None)
    log.warning("%s is gone; slot %d is free and %d leases have ended", slot.worker, slot.pk, ended)
    return 1


class Keeper:
    """Keeps this host's drains alive: says that the host is there, frees slots of dead processes, starts drains.

    :param renew: starts the queue's cluster anew. A worker of it that is killed while it waits for a task dies with the
        lock of the queue inside the cluster: nobody there gets a task any more, and only this helps.
    """

    def __init__(self, renew: Callable[[], None] = lambda: None) -> None:
        self._beat_next = 0.0
        self._renew = renew
        self._drained_at = time.monotonic()

    def round(self) -> int:
        """:returns: how many drains were started."""
        if time.monotonic() >= self._beat_next:
            self._beat_next = time.monotonic() + HOST_BEAT_SECONDS
            beaten = WorkerSlot.objects.filter(host=settings.HOST_NAME).update(host_seen_at=database_now())
            if beaten != settings.QUEUE_WORKERS:  # forgotten while the database was out of reach, or a new number
                slots_prepare()
        slots_bury()
        started = slots_start(host=settings.HOST_NAME)
        self._look_at_cluster()
        return started

    def _look_at_cluster(self) -> None:
        mine = WorkerSlot.objects.filter(host=settings.HOST_NAME)
        if mine.exclude(_without_drain(database_now())).exists():
            self._drained_at = time.monotonic()
        elif time.monotonic() - self._drained_at > DEAF_AFTER_SECONDS:
            log.error("no drain for %d s although they were asked for; the queue is started anew", DEAF_AFTER_SECONDS)
            self._drained_at = time.monotonic()
            self._renew()

    def run(self, stop: Callable[[float], bool]) -> None:
        """Rounds until ``stop(seconds)``, which waits that long, says so."""
        while not stop(KEEP_SECONDS):
            try:
                self.round()
            except Exception:  # the database or the broker is away: the host stays up and tries again
                log.exception("the drains of this host could not be looked after; tries again")
                self._drained_at = time.monotonic()  # no drain can have begun meanwhile
            finally:
                close_old_connections()


# Starting drains


def slots_start(*, host: str = "", only_one: bool = False) -> int:
    """Queue a drain for each slot without one on hosts that are there; returns how many were queued."""
    now = database_now()
    started = 0
    for slot in _startable(now, host).order_by("number"):
        # Conditional: of all processes that see the slot empty, one queues the task.
        if _startable(now, host).filter(pk=slot.pk).update(nudged_at=now):
            _drain_queue(slot)
            started += 1
            if only_one:
                break
    return started


def _startable(now: datetime, host: str) -> QuerySet[WorkerSlot]:
    unnudged = Q(nudged_at__isnull=True) | Q(nudged_at__lt=now - RENUDGE_AFTER)
    there = WorkerSlot.objects.filter(_without_drain(now), unnudged, host_seen_at__gt=now - HOST_AWAY_AFTER)
    return there.filter(host=host) if host else there


def _without_drain(now: datetime) -> Q:
    return Q(alive=False) | Q(heartbeat_at__isnull=True) | Q(heartbeat_at__lt=now - STALE_HEARTBEAT)


def _drain_queue(slot: WorkerSlot) -> None:
    from django_q.tasks import async_task

    try:
        async_task("runs.tasks.drain", q_options={"task_name": f"drain {slot.pk}", "cluster": queue_of(slot.host)})
    except Exception:
        WorkerSlot.objects.filter(pk=slot.pk).update(nudged_at=None)  # nothing is on its way
        raise


# A drain's view


def slot_take(worker: str) -> int | None:
    """Become the drain of a free slot of this host; None when all have one."""
    slots_bury()
    now = database_now()
    for number in WorkerSlot.objects.filter(host=settings.HOST_NAME).order_by("place").values_list("number", flat=True):
        free = WorkerSlot.objects.filter(_without_drain(now), number=number)
        if free.update(alive=True, worker=worker, process=process_name(), heartbeat_at=now):
            return number
    return None


def slot_beat(number: int, worker: str) -> None:
    WorkerSlot.objects.filter(number=number, worker=worker).update(heartbeat_at=database_now())


def slot_leave(number: int, worker: str, *, restart: bool) -> bool:
    """Clear the flag first; whoever stored news before this saw a living drain, so look once more by starting anew.

    :returns: False where a successor is wanted and could not be queued, because the broker is away.
    """
    left = WorkerSlot.objects.filter(number=number, worker=worker).update(alive=False, nudged_at=None)
    if not (left and restart):
        return True
    try:
        slots_start(host=settings.HOST_NAME, only_one=True)
    except DatabaseError:
        raise
    except Exception:
        log.warning("no successor could be queued for the drain in slot %d: the broker is away", number)
        return False
    return True


# The scheduler's view


def hosts_forget() -> int:
    """Remove the slots of hosts that went away; their events come back by their leases."""
    gone = Q(host_seen_at__isnull=True) | Q(host_seen_at__lt=database_now() - HOST_FORGOTTEN_AFTER)
    return WorkerSlot.objects.filter(gone).delete()[0]
