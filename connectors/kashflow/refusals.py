"""What KashFlow's refusals mean. SOAP answers HTTP 200 with Status=NO and a text; REST a 4xx with Error and Message.

Four texts are established (systems notes of NOTES.md); every other text is permanent for this record: Rejected, with
the text shown, grouped by a slug of it.
"""

from __future__ import annotations

import re

from connectors.base.errors import ConnectorError, NeedsAttention, OutcomeUnknown, Rejected, Retryable
from connectors.base.http import Effect

CODE_TAKEN = "customer code is not unique"
_WRONG_PASSWORD = "incorrect username or password"  # noqa: S105 - a text of KashFlow
_IP = re.compile(r"the ip address of (?P<address>\S+) is not in the access list", re.I)
_NOT_FOUND = re.compile(
    r"\bthere (is|are) no\b|\bno (such|matching)\b|\bnot found\b|\b(does not|doesn't) exist\b|"
    r"\b(could not|cannot|unable to) (be found|find)\b",
    re.I,
)
_TRANSIENT = re.compile(r"timeout expired|execution timeout|timed out|deadlock", re.I)
_PERIOD_CLOSED = re.compile(r"\block(ed| date)\b|\bvat return\b|\bperiod\b.*\bclosed\b|\bclosed\b.*\bperiod\b", re.I)

_CREDENTIALS_CURE = (
    "Check the user name and the password. KashFlow can use a separate API password: open Settings > API Settings in "
    "KashFlow, see whether the API uses your log-in password or its own, tick the API, and enter that password here."
)


def is_not_found(text: str) -> bool:
    return bool(_NOT_FOUND.search(text))


def is_code_taken(text: str) -> bool:
    return CODE_TAKEN in text.lower()


def is_transient(text: str) -> bool:
    """KashFlow reports its own database time-outs as refusals and faults; nothing about the record is wrong."""
    return bool(_TRANSIENT.search(text))


def wrong_password(operator_text: str = "") -> NeedsAttention:
    return NeedsAttention(
        "KashFlow does not accept the user name or password.",
        code="wrong_password",
        cure=_CREDENTIALS_CURE,
        operator_text=operator_text,
    )


def address_not_allowed(address: str, operator_text: str) -> NeedsAttention:
    return NeedsAttention(
        f"KashFlow refuses calls from our address {address}: the account only allows listed addresses.",
        code="ip_not_allowed",
        cure=f"In KashFlow open Settings > API Settings and add {address} to the allowed addresses (or untick the "
        "restriction). Or enter the AutoAuth key shown there in this connection, and we add it ourselves (AutoAuthIP).",
        operator_text=operator_text,
        details={"address": address},
    )


def refusal(method: str, text: str, effect: Effect) -> ConnectorError:
    """The error for a refused call; texts that mean "not found" or "code taken" are asked for before."""
    operator_text = f"{method}: {text}"
    if _WRONG_PASSWORD in text.lower():
        return wrong_password(operator_text)
    if match := _IP.search(text):
        return address_not_allowed(match["address"], operator_text)
    if is_transient(text):
        return transient(method, text, effect)
    if _PERIOD_CLOSED.search(text):
        return Rejected(
            f"KashFlow refuses: {text}",
            code="period_closed",
            cure="The date lies in a closed period or a submitted VAT return. Open it, or let the document take the "
            "first open day (setting of the installation).",
            operator_text=operator_text,
            provider_code=text[:200],
        )
    return Rejected(
        f"KashFlow refuses: {text or 'no reason given'}",
        code=f"kashflow_{slug(text)}",
        cure="Correct what KashFlow names, then run it again.",
        operator_text=operator_text,
        provider_code=text[:200],
    )


def transient(method: str, text: str, effect: Effect) -> ConnectorError:
    """A failure inside KashFlow: a write may have been carried out before it, a read is simply repeated."""
    operator_text = f"{method}: {text}"[:2000]
    if effect is Effect.WRITE:
        return OutcomeUnknown(
            "KashFlow failed while writing; we look whether it was done.",
            operator_text=operator_text,
            code="kashflow_failed",
        )
    return Retryable("KashFlow did not answer properly.", operator_text=operator_text, code="kashflow_failed")


def unreadable(method: str, effect: Effect, why: str) -> ConnectorError:
    """An answer came and says nothing we understand: for a write that is no answer."""
    kind = OutcomeUnknown if effect is Effect.WRITE else Retryable
    return kind("KashFlow's answer could not be read.", code="unreadable_answer", operator_text=f"{method}: {why}")


def slug(text: str) -> str:
    """A stable code of a text: without numbers and quoted values, so that one cause is one group."""
    plain = re.sub(r"'[^']*'|\"[^\"]*\"|\S*\d\S*", " ", text.lower())
    return re.sub(r"[^a-z]+", "_", plain).strip("_")[:60] or "refused"
