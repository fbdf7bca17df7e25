"""Sending webhooks in the background: signature, retries, and the ways in which deliveries go wrong on request."""

import asyncio
import hashlib
import hmac
import json
import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from sandbox.common.faults import FaultBook, FaultRule
from sandbox.common.settings import Settings
from sandbox.nopcommerce.plugins import Registration

log = logging.getLogger(__name__)

FAULT_KINDS = frozenset({"never", "duplicate", "late", "shuffled", "bad_signature"})
"""Drawn per event and registration for the operation ``webhook:<event>``: ``never`` sends nothing, ``duplicate`` sends
``copies`` times, ``late`` after ``seconds``, ``shuffled`` collects for ``seconds`` and sends in random order,
``bad_signature`` signs with another secret."""

RETRY_MINUTES = (1, 4)
KEPT = 20_000
SENDERS = 16
GONE = 410


@dataclass
class Delivery:
    """One attempt, or one that a fault suppressed. ``sent_at`` epoch seconds; ``status`` None: no answer."""

    event: str
    record_id: int
    registration_id: str
    attempt: int = 1
    queued_at: float = field(default_factory=time.time)
    sent_at: float | None = None
    status: int | None = None
    suppressed: bool = False
    faults: list[str] = field(default_factory=list)
    error: str | None = None


@dataclass
class _Message:
    id: str
    event: str
    record_id: int
    item: dict[str, Any]
    registration_id: str
    faults: list[str]
    attempt: int = 1


class WebhookSender:
    """``publish`` only queues; ``start`` and ``stop`` belong to the server's event loop.

    ``registrations`` is asked at each sending, so paused or deleted ones get nothing any more.
    """

    def __init__(
        self,
        settings: Settings,
        faults: Callable[[], FaultBook],
        registrations: Callable[[], dict[str, Registration]],
    ) -> None:
        self.log: deque[Delivery] = deque(maxlen=KEPT)
        self._settings, self._faults, self._registrations = settings, faults, registrations
        self._queue: asyncio.Queue[_Message] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._timers: set[asyncio.TimerHandle] = set()
        self._shuffling: dict[str, list[_Message]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._dice = random.Random(1)
        self._count = 0

    async def start(self) -> None:
        # Duplicates must be ours, so the client may not repeat by itself; it does not for POST.
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        self._workers = [asyncio.create_task(self._work()) for _ in range(SENDERS)]

    async def stop(self) -> None:
        self.forget()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        self._session, self._workers = None, []

    def forget(self) -> None:
        """Drop what is queued or waiting, and the log."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._shuffling.clear()
        while not self._queue.empty():
            self._queue.get_nowait()
        self.log.clear()
        self._dice, self._count = random.Random(1), 0

    def deliveries(self) -> list[dict[str, Any]]:
        return [asdict(delivery) for delivery in self.log]

    def restore(self, stored: list[dict[str, Any]]) -> None:
        self.log.extend(Delivery(**entry) for entry in stored)

    def publish(self, event: str, record_id: int, item: Callable[[], dict[str, Any]]) -> None:
        """Queue one message per registration that wants the event; ``item`` is built only if there is one."""
        wanted = [row for row in self._registrations().values() if not row.is_paused and _wants(row, event)]
        if not wanted or not self._workers:
            return
        built = item()
        for row in wanted:
            self._count += 1
            identity = hashlib.md5(f"{row.id} {self._count}".encode(), usedforsecurity=False).hexdigest()
            self._schedule(_Message(identity, event, record_id, built, row.id, []))

    def _schedule(self, message: _Message) -> None:
        rules = {rule.kind: rule for rule in self._faults().draw(f"webhook:{message.event}", FAULT_KINDS)}
        message.faults = sorted(rules)
        if "never" in rules:
            self.log.append(_entry(message, suppressed=True))
            return
        copies = rules["duplicate"].copies if "duplicate" in rules else 1
        for _ in range(copies):
            if "shuffled" in rules:
                self._shuffle(message, rules["shuffled"])
            elif "late" in rules:
                self._later(rules["late"].seconds, message)
            else:
                self._queue.put_nowait(message)

    def _shuffle(self, message: _Message, rule: FaultRule) -> None:
        waiting = self._shuffling.setdefault(rule.id, [])
        if not waiting:
            self._call_later(rule.seconds, lambda: self._release(rule.id))
        waiting.append(message)

    def _release(self, rule_id: str) -> None:
        messages = self._shuffling.pop(rule_id, [])
        self._dice.shuffle(messages)
        for message in messages:
            self._queue.put_nowait(message)

    def _later(self, seconds: float, message: _Message) -> None:
        self._call_later(seconds, lambda: self._queue.put_nowait(message))

    def _call_later(self, seconds: float, work: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            work()

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(timer)

    async def _work(self) -> None:
        while True:
            message = await self._queue.get()
            try:
                await self._send(message)
            except Exception:
                log.exception("webhook %s could not be sent", message.event)

    async def _send(self, message: _Message) -> None:
        row = self._registrations().get(message.registration_id)
        if row is None or row.is_paused:
            return
        delivery = _entry(message)
        self.log.append(delivery)
        body = _body(message, row)
        headers = {**row.headers, "Content-Type": "application/json; charset=utf-8"}
        headers["ms-signature"] = signature(body, "0" * 32 if "bad_signature" in message.faults else row.secret)
        delivery.sent_at = time.time()
        try:
            delivery.status = await self._post(row.uri, body, headers)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            delivery.error = f"{type(error).__name__}: {error}"
        if delivery.status == GONE:
            row.is_paused = True
        elif delivery.status is None or not 200 <= delivery.status < 300:
            self._retry(message)

    async def _post(self, uri: str, body: bytes, headers: dict[str, str]) -> int:
        if self._session is None:
            raise ValueError("not started")
        timeout = aiohttp.ClientTimeout(total=self._settings["webhook_timeout_seconds"])
        async with self._session.post(
            uri, data=body, headers=headers, timeout=timeout, allow_redirects=False
        ) as answer:
            await answer.read()
            return answer.status

    def _retry(self, message: _Message) -> None:
        if message.attempt > len(RETRY_MINUTES):
            return
        minutes = RETRY_MINUTES[message.attempt - 1]
        again = _Message(**{**vars(message), "attempt": message.attempt + 1})
        self._later(minutes * self._settings["minute_seconds"], again)

    async def echo(self, uri: str, text: str) -> bool:
        """Ask the receiver to give ``text`` back, as a registration does before it is accepted."""
        if self._session is None:
            return False
        timeout = aiohttp.ClientTimeout(total=self._settings["webhook_timeout_seconds"])
        try:
            address = URL(uri).update_query(echo=text)
            async with self._session.get(address, timeout=timeout, allow_redirects=False) as answer:
                return answer.status == 200 and (await answer.text()) == text
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False


def signature(body: bytes, secret: str) -> str:
    """The value of ``ms-signature``: over the raw bytes, hex in capitals."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().upper()}"


def _wants(row: Registration, event: str) -> bool:
    return "*" in row.filters or event in row.filters


def _entry(message: _Message, *, suppressed: bool = False) -> Delivery:
    return Delivery(
        message.event,
        message.record_id,
        message.registration_id,
        attempt=message.attempt,
        suppressed=suppressed,
        faults=message.faults,
    )


def _body(message: _Message, row: Registration) -> bytes:
    content = {
        "Id": message.id,
        "Attempt": message.attempt,
        "Properties": row.properties,
        "Notifications": [{"Action": message.event, "Item": message.item}],
        "WebHookId": row.id,
    }
    return json.dumps(content, indent=2, ensure_ascii=False).encode()
