"""Every counter of ours. What is counted here is counted by each process for itself; ``/metrics`` adds them up.

Labels are codes of ours and names of operations, never a tenant, a connection or a record: their number stays small.
Counting costs about a microsecond, an observation two; so the hot path counts calls, effects and endings, and whatever
happens in batches by the batch, but nothing per step.

With ``PROMETHEUS_MULTIPROC_DIR`` set before this module is imported the processes of one host share a folder
(``telemetry.shared``); without it each process knows its own figures only.
"""

from __future__ import annotations

from prometheus_client import Counter, Histogram

__all__ = ["FAMILIES", "Counted", "Observed"]

_CALL = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_WAIT = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 500)

FAMILIES: list[Counted | Observed] = []


class Counted:
    """A counter. Every one has a label, so that a process that counts nothing makes no file."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name = f"causeway_{name}_total"
        self._family = Counter(self.name, text, labels)
        self._children: dict[tuple[str, ...], Counter] = {}
        FAMILIES.append(self)

    def add(self, *labels: str, by: float = 1) -> None:
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._family.labels(*labels)
        child.inc(by)


class Observed:
    """A histogram: how many, how much together, and how many up to each bound."""

    def __init__(self, name: str, text: str, *labels: str, bounds: tuple[float, ...]) -> None:
        self.name = f"causeway_{name}"
        self._family = Histogram(self.name, text, labels, buckets=bounds)
        self._children: dict[tuple[str, ...], Histogram] = {}
        FAMILIES.append(self)

    def see(self, value: float, *labels: str) -> None:
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._family.labels(*labels)
        child.observe(value)


# The doors in

HOOKS = Observed(
    "hook_seconds",
    "Webhook deliveries: stored, refused (signature, body, account, unknown, too_large) or unavailable; time.",
    "connector",
    "answer",
    bounds=_QUICK,
)
NEWS = Counted(
    "news",
    "News about records: opened an event, merged into the open one, or unchanged (a poll that saw the same again).",
    "via",
    "result",
)
POLLS = Counted("polls", "Polls by how they ended: ok, failed, attention, too_long.", "connector", "trigger", "result")

# The queue

CLAIM_SECONDS = Observed("claim_seconds", "One look for work; found: some or none.", "found", bounds=_QUICK)
CLAIM_EVENTS = Observed("claim_events", "Events taken by one claim that found any.", "found", bounds=_SIZES)
ATTEMPTS = Observed(
    "attempt_seconds",
    "Attempts by ending (done, skipped, waiting, held, dead, lease_lost), from claim to ending.",
    "ending",
    bounds=_WAIT,
)
ATTEMPT_ERRORS = Counted(
    "attempt_errors", "Attempts that did not end well, by the error's class and ending.", "error", "ending"
)
DELIVERY_SECONDS = Observed(
    "delivery_seconds", "From the news to the end of its run (done), by how the news came.", "via", bounds=_WAIT
)
LEASES_LOST = Counted("leases_lost", "Attempts that lost their lease: in the walk or at its ending.", "where")
RECOVERED = Counted("events_recovered", "Events of lost workers that came back: waiting or dead.", "state")

# Effects and calls

EFFECTS = Counted(
    "effects",
    "Effects by how they came about: written, remembered, adopted, changed.",
    "connector",
    "operation",
    "how",
)
CALLS = Observed(
    "call_seconds",
    "Requests on the wire by outcome: ok, refused (4xx), broken (5xx), or the class of the error; and their time.",
    "connector",
    "operation",
    "outcome",
    bounds=_CALL,
)
PUT_OFF = Counted("calls_put_off", "Calls the gate did not let out, by reason.", "connector", "reason")
GATE_WAIT = Counted(
    "gate_wait_seconds", "Seconds that calls waited in the gate for a short pause or the budget.", "connector"
)

# The journal

FLUSH_SECONDS = Observed("flush_seconds", "One group commit: ok or failed.", "result", bounds=_QUICK)
FLUSH_ENTRIES = Observed("flush_entries", "Entries written by one group commit.", "result", bounds=_SIZES)
