"""A call made ready to be sent: address checked, body written, and where a redirected read goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import yarl

from connectors.base import exact_json
from connectors.base.addresses import AddressPolicy, PlainHttp
from connectors.base.http_failures import address_refused
from connectors.base.reply import Effect, Reply

_OWN_HEADERS = {"user-agent": "Causeway/1.0", "accept": "*/*", "accept-encoding": "gzip, deflate"}
# A header that may follow a redirect to another host; all others may carry a secret.
_HARMLESS_HEADERS = ("accept", "accept-encoding", "accept-language", "user-agent")


@dataclass(frozen=True)
class Outgoing:
    """One request, ready to be sent as often as its effect permits."""

    method: str
    url: httpx.URL
    headers: dict[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    operation: str
    effect: Effect


def prepare(
    method: str,
    url: str,
    *,
    operation: str,
    effect: Effect,
    policy: AddressPolicy,
    headers: Mapping[str, str] | None,
    params: Mapping[str, Any] | None,
    content: bytes | None,
    json: Any,
    form: Mapping[str, Any] | None,
) -> Outgoing:
    """:raises NeedsAttention: not an address we can call.
    :raises ValueError: a mistake of the caller: a cookie, or two kinds of body.
    """
    merged = _OWN_HEADERS | {name.lower(): value for name, value in (headers or {}).items()}
    if "cookie" in merged:
        raise ValueError("cookies are off: connections are shared by tenants")
    body, content_type = _body(content, json, form)
    if content_type:
        merged.setdefault("content-type", content_type)
    address = _checked_url(url, policy)
    if params:
        address = address.copy_merge_params(dict(params))
    return Outgoing(method.upper(), address, merged, body, operation, effect)


def _body(content: bytes | None, json: Any, form: Mapping[str, Any] | None) -> tuple[bytes, str]:
    if sum(part is not None for part in (content, json, form)) > 1:
        raise ValueError("one of content, json and form")
    if json is not None:
        return exact_json.dumps(json), "application/json"
    if form is not None:
        return urlencode(form, doseq=True).encode(), "application/x-www-form-urlencoded"
    return content or b"", ""


def _checked_url(text: str, policy: AddressPolicy) -> httpx.URL:
    """:raises NeedsAttention: not an address we can call; people type these."""
    try:
        url = httpx.URL(text)
        yarl.URL(str(url))
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise address_refused("it is not a web address") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise address_refused("it is not a full http or https address")
    if url.userinfo:
        raise address_refused("it holds a user name or password")
    if url.scheme == "http" and policy.plain_http is PlainHttp.NEVER:
        raise address_refused(f"{url.host} was to be reached without encryption (http)")
    return url


def redirected(outgoing: Outgoing, reply: Reply) -> Outgoing | None:
    """Where a read goes on, or None: not a redirect, not a plain GET, or one that would give up encryption."""
    location = reply.headers.get("location", "")
    if reply.status not in (301, 302, 303, 307, 308) or not location or outgoing.method not in ("GET", "HEAD"):
        return None
    try:
        target = outgoing.url.join(location)
    except httpx.InvalidURL:
        return None
    if target.scheme not in (outgoing.url.scheme, "https") or target.userinfo or not target.host:
        return None
    headers = outgoing.headers
    if not _same_place(outgoing.url, target):
        headers = {name: value for name, value in headers.items() if name in _HARMLESS_HEADERS}
    return Outgoing(outgoing.method, target, headers, b"", outgoing.operation, outgoing.effect)


def _same_place(source: httpx.URL, target: httpx.URL) -> bool:
    """The same host and port, or the same host's ordinary http port upgraded to its https port."""
    if source.host != target.host:
        return False
    upgraded = source.port is None and target.port is None and target.scheme == "https"
    return upgraded or (source.scheme, source.port) == (target.scheme, target.port)
