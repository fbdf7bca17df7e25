"""The last question before a write leaves: asked when its connection is ready, just before its bytes go out.

Between a worker's look at its lease and the socket lie the gate, the pool, perhaps a connection to be made; a process
stopped there would send long after its lease, when another has done the work.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

before_sending: ContextVar[Callable[[], None] | None] = ContextVar("before_sending", default=None)
"""Called for every request of the present context; what it raises ends the call, and nothing has been sent."""
