"""``/metrics``: the counters of this host's processes, and what the database says of the engine as a whole."""

from __future__ import annotations

import ipaddress
import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runs import gauges
from telemetry.shared import registry

log = logging.getLogger(__name__)

# Several scrapers, or one that asks often, cost the database one look each few seconds; and where a look is
# long (a million events wait), no more than a twentieth of the time.
LOOK_AGAIN_SECONDS = 3.0
REST_AFTER_A_LOOK = 20.0
LONGEST_LOOK_SECONDS = 5.0


def metrics(request: HttpRequest) -> HttpResponse:
    """Text for Prometheus, for whoever sends ``CAUSEWAY_METRICS_TOKEN``, or without one from this machine."""
    if refusal := _refused(request):
        return refusal
    with registry() as counters:
        text = generate_latest(counters)
    return HttpResponse(text + _engine.text(), content_type=CONTENT_TYPE_LATEST)


def _refused(request: HttpRequest) -> HttpResponse | None:
    if settings.METRICS_TOKEN:
        sent = request.headers.get("Authorization", "")
        if secrets.compare_digest(sent.encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
            return None
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    # What a proxy on this machine hands on comes from elsewhere.
    if _is_loopback(request.META.get("REMOTE_ADDR", "")) and not _came_through_a_proxy(request):
        return None
    return HttpResponse("Set CAUSEWAY_METRICS_TOKEN to be answered from elsewhere.\n", status=403)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _came_through_a_proxy(request: HttpRequest) -> bool:
    return any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"))


class EngineCollector(Collector):
    """Gauges of the whole installation: every web process says the same, so take the maximum over them, not the sum."""

    def describe(self) -> list[Metric]:
        """Every family, empty: what exists, without asking the database."""
        return [gauge for gauge, _ in _families()]

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("causeway_database_up", "1 when the database answered this scrape.")
        try:
            with _patience():
                found = _look()
        except DatabaseError as error:
            log.warning("the database did not answer a scrape: %s", type(error).__name__)
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from found


class _Engine:
    """The gauges as text, at most ``LOOK_AGAIN_SECONDS`` old; one thread looks, the others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._look_again_at = float("-inf")
        self._text = b""
        self._registry = CollectorRegistry()
        self._registry.register(EngineCollector())

    def text(self) -> bytes:
        with self._lock:
            started = time.monotonic()
            if started >= self._look_again_at:
                self._text = generate_latest(self._registry)
                took = time.monotonic() - started
                self._look_again_at = started + max(LOOK_AGAIN_SECONDS, REST_AFTER_A_LOOK * took)
            return self._text


@contextmanager
def _patience() -> Iterator[None]:
    """No look may burden a database that is busy for longer than this."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {int(LONGEST_LOOK_SECONDS * 1000)}")
        yield


def _families() -> list[tuple[GaugeMetricFamily, str]]:
    return [
        (GaugeMetricFamily(f"causeway_{name}", text, labels=labels), name)
        for name, text, labels in (
            ("queue_events", "Open events by state and lane (live, import).", ["state", "lane"]),
            ("queue_due", "Events that could be claimed now.", ["lane"]),
            ("queue_age_seconds", "How long the oldest of them has been due.", ["lane"]),
            ("queue_stopped", "Waiting events of lanes that are paused or whose connection is not active.", []),
            ("drains", "Slots of drains: alive, silent (no heartbeat lately), empty.", ["state"]),
            ("circuits", "Circuits not closed, and pauses in force.", ["scope", "state"]),
            ("budget_left_ratio", "Of the emptiest budget that is in use: share left, 0 to 1.", ["connector"]),
            ("connector_paused", "1 for a connector that we paused for all tenants.", ["connector"]),
            ("connections", "Connections by state.", ["connector", "state"]),
            ("polls_failing", "Poll cursors whose latest try failed.", []),
            ("polls_overdue_seconds", "How far the most overdue poll of an active connection is behind.", []),
            ("alerts_unseen", "Alerts nobody has looked at.", ["kind"]),
        )
    ]


def _look() -> list[GaugeMetricFamily]:
    known = {name: gauge for gauge, name in _families()}
    queue = gauges.queue_look()
    events: dict[tuple[str, str], int] = {}
    for lane in queue.lanes:
        key = (lane.state, _lane(lane.imported))
        events[key] = events.get(key, 0) + lane.events
    for key, number in events.items():
        known["queue_events"].add_metric(key, number)
    for imported in (False, True):
        lanes = [lane for lane in queue.lanes if lane.imported is imported]
        due = sum(lane.due for lane in lanes if lane.installation_id not in queue.stopped)
        known["queue_due"].add_metric([_lane(imported)], due)
        known["queue_age_seconds"].add_metric([_lane(imported)], queue.age_seconds(lanes))
    stopped = sum(lane.due for lane in queue.lanes if lane.installation_id in queue.stopped)
    known["queue_stopped"].add_metric([], stopped)
    for state, number in gauges.drains_by_state(queue.now).items():
        known["drains"].add_metric([state], number)
    for labels, number in gauges.circuits_by_state(queue.now).items():
        known["circuits"].add_metric(labels, number)
    for connector, left in gauges.budgets_left(queue.now).items():
        known["budget_left_ratio"].add_metric([connector], left)
    for connector in gauges.connectors_off():
        known["connector_paused"].add_metric([connector], 1)
    for labels, number in gauges.connections_by_state().items():
        known["connections"].add_metric(labels, number)
    polls = gauges.polls_look(queue.now)
    known["polls_failing"].add_metric([], polls["failing"])
    known["polls_overdue_seconds"].add_metric([], polls["overdue_seconds"])
    for kind, number in gauges.alerts_unseen().items():
        known["alerts_unseen"].add_metric([kind], number)
    return list(known.values())


def _lane(imported: bool) -> str:
    return "import" if imported else "live"


_engine = _Engine()
