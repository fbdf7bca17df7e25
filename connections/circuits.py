"""The shared state of circuits and pauses: each change is one conditional statement, times are the database's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from connections.models import CircuitState, Connection

FIRST_OPEN_SECONDS = 5.0
LONGEST_OPEN_SECONDS = 300.0
# Longer than any call: while it lasts nobody else probes, when it ends a dead prober is forgotten.
PROBE_LEASE_SECONDS = 45.0
CONNECTION = "connection:"
HOST = "host:"


@dataclass(frozen=True)
class Trouble:
    """How one key stands now. Seconds from now; negative or zero = over.

    ``open_for``: None = closed. Zero or less = half open, a probe may be claimed once ``probed_for`` is over.
    """

    key: str
    open_for: float | None
    probed_for: float
    paused_for: float


def troubles() -> list[Trouble]:
    """Everything that is open or paused, for all connections: one query over rows that exist only in trouble."""
    rows = CircuitState.objects.filter(Q(open_until__isnull=False) | Q(paused_until__gt=Now())).annotate(present=Now())
    return [
        Trouble(
            row.key,
            (row.open_until - row.present).total_seconds() if row.open_until else None,
            (row.probe_until - row.present).total_seconds() if row.probe_until else 0.0,
            (row.paused_until - row.present).total_seconds() if row.paused_until else 0.0,
        )
        for row in rows
    ]


def circuit_open(key: str, *, failures: int, jitter: float, why: str) -> None:
    """Open a closed circuit; where another process did so already its times stand.

    :param jitter: 0.8 to 1.2, so that the probes of many circuits do not fall on one moment.
    """
    CircuitState.objects.get_or_create(key=key)
    opened = CircuitState.objects.filter(key=key, open_until__isnull=True).update(
        failures=failures,
        opened_at=Now(),
        open_until=Now() + timedelta(seconds=FIRST_OPEN_SECONDS * jitter),
        open_seconds=FIRST_OPEN_SECONDS,
        probe_holder="",
        probe_until=None,
    )
    if opened and key.startswith(CONNECTION):
        Connection.unscoped.filter(pk=key.removeprefix(CONNECTION)).update(last_error=why, last_error_at=Now())


def probe_claim(key: str, holder: str) -> bool:
    """Let exactly one caller through a circuit whose time is over; the row count tells who."""
    unclaimed = Q(probe_until__isnull=True) | Q(probe_until__lt=Now())
    claimed = CircuitState.objects.filter(unclaimed, key=key, open_until__lte=Now()).update(
        probe_holder=holder, probe_until=Now() + timedelta(seconds=PROBE_LEASE_SECONDS)
    )
    return claimed == 1


def probe_give_back(key: str, holder: str) -> None:
    CircuitState.objects.filter(key=key, probe_holder=holder).update(probe_holder="", probe_until=None)


def probe_failed(key: str, holder: str, *, jitter: float) -> None:
    """Stay open twice as long as before, five minutes at most."""
    with transaction.atomic():
        row = CircuitState.objects.select_for_update().filter(key=key, probe_holder=holder).first()
        if row is None:  # our lease ran out and another probe decides
            return
        seconds = min(2 * row.open_seconds, LONGEST_OPEN_SECONDS)
        CircuitState.objects.filter(key=key, probe_holder=holder).update(
            failures=F("failures") + 1,
            open_seconds=seconds,
            open_until=Now() + timedelta(seconds=seconds * jitter),
            probe_holder="",
            probe_until=None,
        )


def circuit_close(key: str, *, holder: str | None = None) -> None:
    """The probe came through (``holder``), or a person's own test did (None)."""
    rows = CircuitState.objects.filter(key=key, open_until__isnull=False)
    if holder is not None:
        rows = rows.filter(probe_holder=holder)
    closed = rows.update(failures=0, opened_at=None, open_until=None, open_seconds=0, probe_holder="", probe_until=None)
    if closed and key.startswith(CONNECTION):
        Connection.unscoped.filter(pk=key.removeprefix(CONNECTION)).update(last_ok_at=Now(), last_error="")


def pause(key: str, seconds: float) -> None:
    """Nobody calls before then; a longer pause that stands already is kept."""
    until = Now() + timedelta(seconds=seconds)
    CircuitState.objects.get_or_create(key=key)
    CircuitState.objects.filter(key=key, paused_until__isnull=True).update(paused_until=until)
    CircuitState.objects.filter(key=key, paused_until__lt=until).update(paused_until=until)


def troubles_forget(*, older_than: timedelta) -> int:
    """Remove rows that have been quiet for long; they only repeat what their absence says."""
    quiet = Q(paused_until__isnull=True) | Q(paused_until__lt=Now() - older_than)
    removed, _ = CircuitState.objects.filter(quiet, open_until__isnull=True).delete()
    return removed
