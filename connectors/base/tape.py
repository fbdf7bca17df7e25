"""The latest calls of one attempt, as references only: made fit to be shown when a step fails, else forgotten.

While all goes well a call costs one small object here. Whoever starts an attempt sets ``current_tape``; the door notes
each call before it is sent, so that one which never came back is there, too.
"""

from __future__ import annotations

import time
from collections import deque
from contextvars import ContextVar
from dataclasses import replace

from connectors.base.exchange import Exchange, exchange_of
from connectors.base.http_request import Outgoing
from connectors.base.reply import Reply

MOST_KEPT = 6
# Of a larger answer the beginning is kept: a worker has dozens of attempts in flight, and this is no reason to hold
# on to whole catalogues.
KEPT_BYTES = 64 * 1024


class Take:
    """One call. Without ``reply`` and ``error`` it is on its way, or was ended before it came back."""

    __slots__ = ("error", "outgoing", "reply", "seconds", "started")

    def __init__(self, outgoing: Outgoing, started: float) -> None:
        self.outgoing, self.started = outgoing, started
        self.reply: Reply | None = None
        self.error: Exception | None = None
        self.seconds: float | None = None

    def end(self, reply: Reply | None, error: Exception | None) -> None:
        self.seconds = time.monotonic() - self.started
        self.error = error
        if reply is not None and len(reply.content) > KEPT_BYTES:
            reply = replace(reply, content=reply.content[:KEPT_BYTES])
        self.reply = reply

    def shown(self) -> Exchange:
        """Secrets removed, bodies cut."""
        seconds = self.seconds if self.seconds is not None else time.monotonic() - self.started
        return exchange_of(self.outgoing, self.reply, seconds, self.error)


class Tape:
    """The latest ``MOST_KEPT`` calls, oldest first."""

    def __init__(self) -> None:
        self.takes: deque[Take] = deque(maxlen=MOST_KEPT)

    def begin(self, outgoing: Outgoing, started: float) -> Take:
        """:param started: monotonic seconds."""
        take = Take(outgoing, started)
        self.takes.append(take)
        return take


current_tape: ContextVar[Tape | None] = ContextVar("current_tape", default=None)
