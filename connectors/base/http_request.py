"""A call made ready to be sent: address checked, body written, and where a redirected read goes on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
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


# An address that all parsers read alike: a lower-case host in letters, digits, dots and hyphens, then path and query
# of unremarkable characters. Others take the long way.
_PLAIN = re.compile(
    r"(https?://[a-z0-9.-]+(?::[0-9]{1,5})?)(?:/[\w/.~:@!$&'()*+,;=-]*)?(?:\?[\w/.~:@!$&'()*+,;=%?-]*)?", re.ASCII
)


@dataclass(slots=True)
class Outgoing:
    """One request, ready to be sent as often as its effect permits.

    ``address`` is ``url`` as aiohttp reads it: the host that is judged is the host that is connected. ``place`` is its
    beginning, up to the port, as httpx reads it.
    """

    method: str
    url: str
    address: yarl.URL
    place: httpx.URL
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
    text, address, place = _addressed(url, params, policy.plain_http)
    return Outgoing(method.upper(), text, address, place, merged, body, operation, effect)


def _body(content: bytes | None, json: Any, form: Mapping[str, Any] | None) -> tuple[bytes, str]:
    if sum(part is not None for part in (content, json, form)) > 1:
        raise ValueError("one of content, json and form")
    if json is not None:
        return exact_json.dumps(json), "application/json"
    if form is not None:
        return urlencode(form, doseq=True).encode(), "application/x-www-form-urlencoded"
    return content or b"", ""


def _addressed(text: str, params: Mapping[str, Any] | None, plain_http: PlainHttp) -> tuple[str, yarl.URL, httpx.URL]:
    """:raises NeedsAttention: not an address we can call; people type these."""
    plain = _PLAIN.fullmatch(text) if isinstance(text, str) else None
    if plain is not None and (not params or "?" not in text):
        if params:
            text = f"{text}?{httpx.QueryParams(dict(params))}"
        place, host = _place(plain.group(1), plain_http)
        address = yarl.URL(text)
        if address.raw_host == host:
            return text, address, place
    url = _checked_url(text, plain_http)
    if params:
        url = url.copy_merge_params(dict(params))
    return str(url), yarl.URL(str(url)), url.copy_with(raw_path=b"/")


@lru_cache(maxsize=4096)
def _place(text: str, plain_http: PlainHttp) -> tuple[httpx.URL, str]:
    url = _checked_url(text, plain_http)
    return url, yarl.URL(str(url)).raw_host or ""


def _checked_url(text: str, plain_http: PlainHttp) -> httpx.URL:
    """:raises NeedsAttention: not an address we can call."""
    try:
        url = httpx.URL(text)
        yarl.URL(str(url))
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise address_refused("it is not a web address") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise address_refused("it is not a full http or https address")
    if url.userinfo:
        raise address_refused("it holds a user name or password")
    if url.scheme == "http" and plain_http is PlainHttp.NEVER:
        raise address_refused(f"{url.host} was to be reached without encryption (http)")
    return url


def redirected(outgoing: Outgoing, reply: Reply) -> Outgoing | None:
    """Where a read goes on, or None: not a redirect, not a plain GET, or one that would give up encryption."""
    location = reply.headers.get("location", "")
    if reply.status not in (301, 302, 303, 307, 308) or not location or outgoing.method not in ("GET", "HEAD"):
        return None
    source = httpx.URL(outgoing.url)
    try:
        target = source.join(location)
        address = yarl.URL(str(target))
    except (httpx.InvalidURL, ValueError):
        return None
    if target.scheme not in (source.scheme, "https") or target.userinfo or not target.host:
        return None
    headers = outgoing.headers
    if not _same_place(source, target):
        headers = {name: value for name, value in headers.items() if name in _HARMLESS_HEADERS}
    place = target.copy_with(raw_path=b"/")
    return Outgoing(outgoing.method, str(target), address, place, headers, b"", outgoing.operation, outgoing.effect)


def _same_place(source: httpx.URL, target: httpx.URL) -> bool:
    """The same host and port, or the same host's ordinary http port upgraded to its https port."""
    if source.host != target.host:
        return False
    upgraded = source.port is None and target.port is None and target.scheme == "https"
    return upgraded or (source.scheme, source.port) == (target.scheme, target.port)
