"""What one walk carries along: the scope formulas read, the read cache and the notes for the step at hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from connectors.base.actions import ActionContext
from flows.engine.ports import Host


@dataclass
class Walk:
    host: Host
    scope: dict[str, Any]
    held: list[Any] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    input: Any = None
    output: Any = None
    note: str = ""
    effect_key: str = ""
    external_id: str = ""
    how: str = ""
    planned: bool = False
    reported: Exception | None = None
    _contexts: dict[str, ActionContext] = field(default_factory=dict)

    def begin(self) -> None:
        """A step starts: forget the notes of the one before."""
        self.input = self.output = None
        self.note = self.effect_key = self.external_id = self.how = ""
        self.planned = False

    def cached_reads(self, role: str) -> dict[tuple[str, str], Any]:
        """Answers of cacheable reads by (operation, input)."""
        return self.host.reads.setdefault(role, {})

    def forget_reads(self, role: str) -> None:
        """After a write to a role nothing read there before can be trusted."""
        self.host.reads.pop(role, None)

    async def context(self, role: str) -> ActionContext:
        context = self._contexts.get(role)
        if context is None:
            context = self._contexts[role] = await self.host.context(role)
        return context
