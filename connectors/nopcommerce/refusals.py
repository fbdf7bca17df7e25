"""What a shop's refusals mean, said once for all three plug-ins."""

from __future__ import annotations

import re
from typing import Any

from connectors.base.errors import ConnectorError, NeedsAttention, OutcomeUnknown, Rejected, Retryable
from connectors.base.http import Effect, Reply, raise_for_status
from connectors.base.reply import facts

# Texts of the shop's own order rules (OrderProcessingService). The plug-in may wrap them in a 400 or a 500: either way
# the shop has reasoned and done nothing.
RULE_TEXTS = re.compile(
    r"Cannot do \w+(?: \w+)? for order|You can't (?:mark|refund|partially refund|void)|already exists", re.IGNORECASE
)
PLUGIN_MISSING = "plugin_missing"
BROKEN_HANDLER = "internal_server_error"
"""Key under which family B reports an unhandled exception of a GET, with status 400."""


def refuse(reply: Reply, effect: Effect, *, what: str) -> None:
    """Return when the reply is a usable 2xx.

    HTML is never parsed: a maintenance page may come with 200 or 503, a firewall's refusal with 403.

    :raises NeedsAttention: log-in, permission, address or plug-in; the text says what to correct.
    :raises Rejected: the shop refuses this record; holds the shop's own words.
    :raises Retryable: a read that may work later. OutcomeUnknown: the same for a write.
    """
    if reply.is_html:
        _refuse_page(reply, effect, what)
    if reply.status in (401, 403):
        raise _access_refused(reply, what)
    words = words_of(reply)
    if reply.status == 400 and BROKEN_HANDLER in reply.text:
        raise _broken(reply, effect, what)
    if reply.status in (400, 409, 422) or (reply.status == 500 and RULE_TEXTS.search(words)):
        raise Rejected(f"{what}: the shop refused it. {words}".strip(), code="refused_by_shop", **facts(reply))
    if reply.status == 404:
        raise Rejected(f"{what}: the shop does not know it (any more).", code="not_found", **facts(reply))
    raise_for_status(reply, effect, what=what)


def _refuse_page(reply: Reply, effect: Effect, what: str) -> None:
    if reply.status == 403:
        raise NeedsAttention(
            "The shop's server refuses our address (it answered with an error page). "
            "Ask whoever runs the server to let our addresses through, then test the connection again.",
            code="address_refused",
            **facts(reply),
        )
    if reply.status == 401:
        raise _access_refused(reply, what)
    if reply.status == 404:
        raise plugin_missing(reply)
    raise _broken(reply, effect, what)


def _broken(reply: Reply, effect: Effect, what: str) -> ConnectorError:
    text = f"{what}: the shop is in maintenance or has a fault (it answered {reply.status})."
    kind = Retryable if effect is Effect.READ else OutcomeUnknown
    return kind(text, code="shop_unavailable", **facts(reply))


def _access_refused(reply: Reply, what: str) -> NeedsAttention:
    if reply.status == 401:
        return NeedsAttention(
            "The shop no longer accepts our log-in. Enter user name and password again (or connect again).",
            code="signed_out",
            **facts(reply),
        )
    return NeedsAttention(
        f"{what}: the shop's user lacks a permission. In the shop, open Configuration › Access control list and give "
        "the user's role access to the Web API (with the API for nopCommerce plug-in: the role “Api Users” and the "
        "permissions to manage orders, customers and products).",
        code="permission_missing",
        **facts(reply),
    )


def plugin_missing(reply: Reply | None = None) -> NeedsAttention:
    return NeedsAttention(
        "No API plug-in answers at this address. Install one in the shop: “Web API” by nopCommerce (version 4.40 or "
        "later, recommended), “API plugin for nopCommerce” by SevenSpikes (3.80 to 4.20) or “API for nopCommerce” by "
        "stepanbenes (4.5 to 4.80). Then test the connection again.",
        code=PLUGIN_MISSING,
        **(facts(reply) if reply is not None else {}),
    )


def words_of(reply: Reply) -> str:
    """The shop's own words: a plain text, ``Detail`` of ProblemDetails (its case varies) or ``errors`` of B and C."""
    try:
        body = reply.json()
    except ConnectorError:
        return "" if reply.is_html else reply.text.strip()[:300]
    if isinstance(body, str):
        return body[:300]
    return _words_in(body)[:300] if isinstance(body, dict) else ""


def _words_in(body: dict[str, Any]) -> str:
    members = {str(name).lower(): value for name, value in body.items()}
    errors = members.get("errors")
    if isinstance(errors, dict):
        lists = [value if isinstance(value, list) else [value] for value in errors.values()]
        return "; ".join(str(text) for texts in lists for text in texts)
    return str(members.get("detail") or members.get("title") or "")
