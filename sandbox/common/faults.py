"""Fault rules: which calls go wrong, how, how often. What a kind does to a call is in ``fault_kinds``.

The book knows nothing of HTTP, so the same rules also serve what a stand-in sends by itself: a sender of webhooks
draws for ``webhook:<topic>`` among its own kinds (``never``, ``late`` …) and acts on what it gets.
"""

import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any


class BadRule(ValueError):
    """A rule that cannot be understood; the text says why."""


@dataclass
class FaultRule:
    """One rule, as PUT to ``/control/faults``.

    ``operations`` are shell patterns (``Insert*``, ``GET /v2/*``, ``webhook:*``). ``probability`` is tried anew on
    each matching call after the first ``skip``; after ``times`` hits the rule is spent (None: never).
    ``seconds`` is a duration, its meaning depends on the kind; ``retry_after`` seconds go into a header of that name.
    ``cut`` also loses the answer (``unreadable``), ``hang`` leaves the client waiting instead of cutting
    (``late_landing``), ``reset`` cuts with RST instead of FIN. ``text`` is for kinds that show one,
    ``copies`` for kinds that send something more than once.
    """

    kind: str
    id: str = ""
    operations: list[str] = field(default_factory=lambda: ["*"])
    probability: float = 1.0
    times: int | None = None
    skip: int = 0
    seconds: float = 0.0
    status: int | None = None
    retry_after: int | None = None
    seed: int | None = None
    copies: int = 2
    cut: bool = False
    hang: bool = False
    reset: bool = False
    text: str | None = None
    matched: int = 0
    hits: int = 0

    def matches(self, operation: str) -> bool:
        return any(fnmatchcase(operation, pattern) for pattern in self.operations)


def rule_from_json(data: Mapping[str, Any], *, known_kinds: Collection[str], default_id: str) -> FaultRule:
    """:raises BadRule: unknown member or kind, or a value out of range."""
    if not isinstance(data, Mapping):
        raise BadRule("a rule is an object")
    writable = {f.name for f in fields(FaultRule)} - {"matched", "hits"}
    # What GET shows may be PUT back, hence counters are dropped rather than refused.
    given = {name: value for name, value in data.items() if name not in {"matched", "hits"}}
    if unknown := set(given) - writable:
        raise BadRule(f"unknown members: {', '.join(sorted(unknown))}")
    if given.get("kind") not in known_kinds:
        raise BadRule(f"unknown kind {given.get('kind')!r}; known: {', '.join(sorted(known_kinds))}")
    rule = FaultRule(**given)
    rule.id = str(rule.id or default_id)
    _check_values(rule)
    return rule


def _check_values(rule: FaultRule) -> None:
    if not isinstance(rule.operations, list) or not all(isinstance(name, str) for name in rule.operations):
        raise BadRule("operations is a list of patterns")
    if isinstance(rule.copies, bool) or not isinstance(rule.copies, int) or rule.copies < 1:
        raise BadRule("copies is a whole number from 1")
    for name in ("probability", "seconds", "skip"):
        if not isinstance(getattr(rule, name), int | float):
            raise BadRule(f"{name} is a number")
    for name in ("times", "status", "retry_after", "seed"):
        if not isinstance(getattr(rule, name), int | None):
            raise BadRule(f"{name} is a whole number or null")
    if not 0 <= rule.probability <= 1:
        raise BadRule("probability lies between 0 and 1")
    if rule.seconds < 0 or rule.skip < 0 or (rule.times or 0) < 0:
        raise BadRule("seconds, skip and times are not negative")
    if rule.status is not None and not 200 <= rule.status <= 599:
        raise BadRule("status lies between 200 and 599")


class FaultBook:
    """The rules in force, in the order given. The same seed and the same calls give the same hits."""

    def __init__(self, *, known_kinds: Iterable[str], seed: int) -> None:
        self.known_kinds = frozenset(known_kinds)
        self.seed = seed
        self.rules: list[FaultRule] = []
        self._dice: dict[str, random.Random] = {}

    def replace(self, rules: Iterable[Mapping[str, Any]]) -> None:
        """Put these rules in place of all others; nothing changes when one of them is bad.

        :raises BadRule: see ``rule_from_json``, or two rules have the same id.
        """
        if not isinstance(rules, list):
            raise BadRule("the body is a list of rules")
        parsed = [
            rule_from_json(data, known_kinds=self.known_kinds, default_id=f"rule-{position}")
            for position, data in enumerate(rules, start=1)
        ]
        if len({rule.id for rule in parsed}) < len(parsed):
            raise BadRule("rule ids must differ")
        self.rules = parsed
        self._dice = {rule.id: random.Random(self._seed_of(rule)) for rule in parsed}

    def clear(self) -> None:
        self.replace([])

    def draw(self, operation: str, kinds: Collection[str]) -> list[FaultRule]:
        """Rules of these kinds that hit this call; each counts the call and its hit."""
        return [rule for rule in self.rules if rule.kind in kinds and rule.matches(operation) and self._hits(rule)]

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self.rules]

    def _seed_of(self, rule: FaultRule) -> str:
        # A string seed: random hashes it the same way in every process, unlike hash() of a tuple.
        return str(rule.seed) if rule.seed is not None else f"{self.seed}:{rule.id}"

    def _hits(self, rule: FaultRule) -> bool:
        rule.matched += 1
        if rule.matched <= rule.skip or (rule.times is not None and rule.hits >= rule.times):
            return False
        if self._dice[rule.id].random() >= rule.probability:
            return False
        rule.hits += 1
        return True
