"""What a write tells its calls: the last question before it leaves, and by when they must have ended.

The question is asked when a connection is ready, just before the bytes go out: between a worker's look at its lease and
the socket lie the gate, the pool, perhaps a connection to be made; a process stopped there would send long after its
lease, when another has done the work.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar

before_sending: ContextVar[Callable[[], None] | None] = ContextVar("before_sending", default=None)
"""Called for every request of the present context; what it raises ends the call, and nothing has been sent."""

calls_end_at: ContextVar[float] = ContextVar("calls_end_at", default=math.inf)
"""By ``time.monotonic()``: no call of the present context lasts longer, whatever time-out it is given.

A call that times out by itself is news about the provider; one that is cancelled from outside is none.
"""
