"""Which errors are one cause: a fingerprint that says the same of every record that fails for the same reason.

It is made of the error's class, our code, the provider's code, the step and the field, and of nothing that belongs to
one record: no item key, no row number, no id, amount or moment.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Any

from connectors.base.errors import ConnectorError
from flows.engine.walker import HeldItem

GAVE_UP = "gave_up"
_LONGEST_CODE = 60
_LONGEST_TEXT = 200
# From the first bracket to the last: what stands there names items, and a key may hold brackets, dots or anything.
_ITEM_KEYS = re.compile(r"\[.*\]", re.DOTALL)
_PLACE = re.compile(r"\[[^\]]*\]|(?<=\.)\d+(?=\.|$)")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”|‘[^’]*’")
_OF_ONE_RECORD = re.compile(
    r"""^(
        \d{6,}                                                    # a number; status and error codes are shorter
      | [+-]?\d[\d,]*[.,]\d+                                      # an amount
      | \d{4}-\d\d-\d\d.*                                         # a day or a moment
      | [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}
      | (?=.*\d)[0-9a-f]{16,}
    )$""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Cause:
    """What the fingerprint is made of."""

    error_class: str
    code: str
    provider_code: str = ""
    step: str = ""
    field: str = ""

    @property
    def fingerprint(self) -> str:
        plain = (self.error_class, code_plain(self.code), code_plain(self.provider_code), step_plain(self.step))
        text = "\x1f".join((*plain, field_plain(self.field)))
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def cause_of(error: ConnectorError, *, gave_up: bool = False) -> str:
    """:param gave_up: it would have been tried again, but was tried often enough; a cause of its own."""
    kind = f"{type(error).__name__} {GAVE_UP}" if gave_up else type(error).__name__
    step = str(error.details.get("step") or "")
    return Cause(kind, error.code, error.provider_code, step, error.field).fingerprint


def cause_of_items(items: Iterable[HeldItem]) -> str:
    """Of a run that went through except for some of its parts: the cause that comes first by its own words.

    Not the first part's: in which order an order names its parts is no part of a cause.
    """
    causes = {
        Cause(type(item.error).__name__, item.error.code, item.error.provider_code, item.path, item.error.field)
        for item in items
    }
    first = min(causes, key=lambda cause: (code_plain(cause.code), step_plain(cause.step), astuple(cause)))
    return Cause(f"part:{first.error_class}", *astuple(first)[1:]).fingerprint


def cause_of_facts(facts: Mapping[str, Any]) -> str:
    """Of an error that is known by what is kept of it only (a worker that was lost, content that cannot be stored)."""
    return Cause(
        str(facts.get("class", "")), str(facts.get("code", "")), str(facts.get("provider_code", ""))
    ).fingerprint


def step_plain(path: str) -> str:
    """``flow.payments[cap-1].pay`` → ``flow.payments[].pay``. Ids of steps hold no bracket, so both ends are exact."""
    return _ITEM_KEYS.sub("[]", path)


def field_plain(field: str) -> str:
    """``lines[2].sku`` and ``lines.2.sku`` → ``lines[].sku``."""
    return _PLACE.sub("[]", field).replace(".[]", "[]")


def code_plain(code: str) -> str:
    """A code as it is; of a provider that sends its words instead of one, the words without what they quote.

    Short numbers stay: 401 and 503 are two causes.
    """
    words = _QUOTED.sub(" ", code).split()
    if len(words) == 1 and words[0] == code and len(code) <= _LONGEST_CODE:
        return "#" if _OF_ONE_RECORD.match(code) else code
    plain = ("#" if any(map(str.isdigit, word)) else word.casefold() for word in words)
    return " ".join(plain)[:_LONGEST_TEXT]
